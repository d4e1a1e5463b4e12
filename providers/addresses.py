"""Where a provider may connect when a caller says where to: the guard against server-side request forgery.

Public addresses and usual ports, and what the owner of the machine has allowed besides. A name is judged by
every address that it has, and it is for whoever connects to use these very addresses: a second look at the
name could be answered differently (DNS rebinding). Pure: nothing here looks a name up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from gleitzeit_extensions import InvalidRequest

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PUBLIC_V6 = IPv6Network("2000::/3")
"""All that is routed on the internet. IPv4 addresses in the clothes of IPv6, such as `::ffff:`, are not."""

# A table of ours: that of the module ipaddress differs between releases of Python, and has no words.
NOT_PUBLIC: dict[Network, str] = {
    ip_network(network): word
    for network, word in {
        "0.0.0.0/8": "this machine's own",
        "10.0.0.0/8": "a private",
        "100.64.0.0/10": "a carrier's private",
        "127.0.0.0/8": "a loopback",
        "168.63.129.16/32": "a cloud's internal",  # Azure's, which is public by its number only
        "169.254.0.0/16": "a link-local",  # with the metadata of the clouds
        "172.16.0.0/12": "a private",
        "192.0.0.0/24": "a reserved",
        "192.0.2.0/24": "a reserved",
        "192.88.99.0/24": "a 6to4 relay's",
        "192.168.0.0/16": "a private",
        "198.18.0.0/15": "a reserved",
        "198.51.100.0/24": "a reserved",
        "203.0.113.0/24": "a reserved",
        "224.0.0.0/4": "a multicast",
        "240.0.0.0/4": "a reserved",
        "::/128": "this machine's own",
        "::1/128": "a loopback",
        "::ffff:0:0/96": "an IPv4-mapped",
        "64:ff9b::/96": "a NAT64",
        "64:ff9b:1::/48": "a NAT64",
        "2001::/23": "a reserved",  # Teredo among them, which embeds an IPv4 address
        "2001:db8::/32": "a reserved",
        "2002::/16": "a 6to4",
        "3fff::/20": "a reserved",
        "fc00::/7": "a private",
        "fe80::/10": "a link-local",
        "ff00::/8": "a multicast",
    }.items()
}

HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*", re.ASCII)

NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""The last part of a host that the C library takes for an address: `127.1`, `0x7f.1`, `2130706433`."""

WAY_OUT = "`allow_private` in the provider's config is for hosts that are meant to be reached"


class Addresses:
    """What may be connected to. Raises ValueError for an entry of `allow_private` that is none."""

    def __init__(self, allow_private: Iterable[str], ports: Iterable[int]) -> None:
        self._networks: list[Network] = []
        self._hosts: set[str] = set()
        self._ports = frozenset(ports)
        for entry in allow_private:
            self._allow(entry)
        for port in self._ports:
            if not 0 < port < 65536:
                raise ValueError(f"ports has {port}: a port is from 1 to 65535")

    def check(self, host: str, port: int) -> None:
        """What can be said before a name is looked up; raises InvalidRequest."""
        if port not in self._ports:
            ports = ", ".join(map(str, sorted(self._ports)))
            raise InvalidRequest(
                f"port {port} of {host:.100} is not allowed: `ports` in the provider's config has {ports}"
            )
        if address := _literal(host):
            self._check_address(host, address)
        elif NUMBER.fullmatch(_name(host).rpartition(".")[2]):
            raise InvalidRequest(f"{host:.100} is no usual form of an address: write it like 192.0.2.1")
        elif len(host) > 253 or not HOST.fullmatch(_name(host)):
            raise InvalidRequest(f"{host!r:.100} is no name of a host")

    def check_found(self, host: str, addresses: Iterable[str]) -> None:
        """All the addresses of a name: one that is not public spoils the others. Raises InvalidRequest."""
        if _name(host) in self._hosts:
            return
        for address in addresses:
            self._check_address(host, ip_address(address))

    def _check_address(self, host: str, address: Address) -> None:
        if _name(host) in self._hosts or any(address in network for network in self._networks):
            return
        if what := _not_public(address):
            # Not the address itself: nobody is to learn the addresses of a network from its names.
            raise InvalidRequest(f"{host:.100} has {what} address, which is not fetched: {WAY_OUT}")

    def _allow(self, entry: str) -> None:
        try:
            self._networks.append(ip_network(entry, strict=False))
        except ValueError:
            name = _name(entry.lower())
            if not HOST.fullmatch(name) or NUMBER.fullmatch(name.rpartition(".")[2]):
                raise ValueError(
                    f'allow_private has "{entry:.100}": write a host, an address or a network, like '
                    "wiki.example.com, 10.1.2.3 or 10.0.0.0/8"
                ) from None
            self._hosts.add(name)


def _not_public(address: Address) -> str | None:
    for network, word in NOT_PUBLIC.items():
        if address in network:
            return word
    return "a reserved" if address.version == 6 and address not in PUBLIC_V6 else None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _name(host: str) -> str:
    """`localhost.` is `localhost`."""
    return host.removesuffix(".")

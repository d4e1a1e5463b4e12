"""What the guard against server-side request forgery lets pass, in every spelling that is known."""

from __future__ import annotations

import pytest

from gleitzeit_extensions import InvalidRequest
from providers.addresses import Addresses

PUBLIC = [
    "93.184.215.14",
    "8.8.8.8",
    "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
    "100.63.255.255",
    "172.32.0.1",
]

NOT_PUBLIC = [
    *["0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.31.0.1"],
    *["192.0.0.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "255.255.255.255"],
    *["168.63.129.16", "240.0.0.1", "192.0.2.1", "198.51.100.1"],
    *["::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "fe80::1", "fe80::1%25eth0", "fc00::1"],
    *["fd00:ec2::254", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "2001:db8::1"],
    *["ff02::1", "fec0::1", "100::1", "3fff::1", "4000::1"],
]

ODD = ["2130706433", "0x7f.1", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.01", "0", "1.2.3.4.5", "a.0x"]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_fetched(address: str) -> None:
    addresses = Addresses([], [80])

    addresses.check(address, 80)
    addresses.check_found("example.com", [address])


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_any_other_is_refused_written_out_and_behind_a_name(address: str) -> None:
    addresses = Addresses([], [80])

    with pytest.raises(
        InvalidRequest, match=r"(has an? .*|this machine's own) address, which is not fetched"
    ):
        addresses.check(address, 80)
    with pytest.raises(InvalidRequest, match="allow_private") as told:
        addresses.check_found("example.com", ["8.8.8.8", address])
    assert address not in told.value.message


@pytest.mark.parametrize("host", ODD)
def test_what_only_the_c_library_takes_for_an_address_is_refused(host: str) -> None:
    for spelled in (host, host + "."):
        with pytest.raises(InvalidRequest, match="no usual form of an address"):
            Addresses([], [80]).check(spelled, 80)


@pytest.mark.parametrize("host", ["", ".", "a..b", "-a", "a b", "%31", "a" * 64, "ä", "a\0"])
def test_what_is_no_name_is_not_looked_up(host: str) -> None:
    with pytest.raises(InvalidRequest, match="no name of a host"):
        Addresses([], [80]).check(host, 80)


def test_a_port_that_is_not_in_the_config_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"port 25 of example\.com is not allowed.* has 80, 443"):
        Addresses([], [443, 80]).check("example.com", 25)


@pytest.mark.parametrize("entry", ["10.0.0.0/8", "10.1.2.3", "wiki.internal", "WIKI.internal."])
def test_what_the_owner_allows_is_fetched(entry: str) -> None:
    addresses = Addresses([entry], [80])

    addresses.check_found("wiki.internal", ["10.1.2.3"])
    addresses.check_found("wiki.internal.", ["10.1.2.3"])
    with pytest.raises(InvalidRequest):
        addresses.check_found("evil.example", ["10.1.2.3", "127.0.0.1"])
    with pytest.raises(InvalidRequest):
        addresses.check("127.0.0.1", 80)


def test_a_host_that_is_allowed_allows_no_other_that_has_its_address() -> None:
    with pytest.raises(InvalidRequest):
        Addresses(["wiki.internal"], [80]).check_found("evil.example", ["10.1.2.3"])


@pytest.mark.parametrize("entry", ["http://wiki", "10.0.0.0/33", "*.internal", "127.1", ""])
def test_an_entry_that_is_none_is_told_at_the_start(entry: str) -> None:
    with pytest.raises(ValueError, match="allow_private has"):
        Addresses([entry], [80])


def test_a_port_that_is_none_is_told_at_the_start() -> None:
    with pytest.raises(ValueError, match="from 1 to 65535"):
        Addresses([], [0])

"""Gets pages of the web for others: only from addresses that may be asked, and never more than was agreed.

Each redirect is a request like the first, and checked like it. Nothing is sent but GET, without cookies or
anything of the caller's but the URL. What fails is told as `provider_error`: a site that is down says
nothing about the provider, whose circuit breaker `unavailable` would open.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from gleitzeit_extensions import CallError, InvalidRequest
from providers.addresses import Addresses

MOST_REDIRECTS = 10

LONGEST_URL = 8000
"""Characters."""

CONNECTIONS = 64
"""At once, to all sites together."""

REDIRECTS = (301, 302, 303, 307, 308)

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a name, for a port."""

Check = Callable[[URL], Awaitable[None]]
"""Raises when a URL is not to be asked."""


@dataclass(frozen=True)
class Answer:
    """What a site said in the end; `body` is decompressed."""

    url: URL
    status: int
    headers: dict[str, str]
    """Their names are in small letters."""
    body: bytes
    truncated: bool
    """Whether there was more than was agreed."""


async def looked_up(host: str, port: int) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class WebClient:
    """One session, which has to be made in the loop that it is used in."""

    def __init__(self, addresses: Addresses, user_agent: str, lookup: Lookup = looked_up) -> None:
        self._addresses = addresses
        connector = aiohttp.TCPConnector(
            resolver=_Guard(addresses, lookup), use_dns_cache=False, limit=CONNECTIONS
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": user_agent},
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy would connect to what nobody checked
        )

    async def get(self, url: str, most: int, within: float, check: Check) -> Answer:
        """The first `most` bytes of what is at the URL; raises a CallError that names what was wrong."""
        at = _parsed(url)
        try:
            async with asyncio.timeout(within):
                for _ in range(MOST_REDIRECTS + 1):
                    self._check(at)
                    await check(at)
                    answer, onwards = await self._asked(at, most)
                    if answer:
                        return answer
                    at = _parsed(onwards, at)
        except TimeoutError as exc:
            raise _failed(f"{at.host} did not answer within {within:.3g} s") from exc
        raise _failed(f"{url:.200} redirects more than {MOST_REDIRECTS} times")

    async def close(self) -> None:
        await self._session.close()

    def _check(self, url: URL) -> None:
        if url.scheme not in ("http", "https") or not url.raw_host:
            raise InvalidRequest(
                f"{str(url)!r:.200} is no URL to fetch: write it like https://example.com/page"
            )
        if url.raw_user is not None or url.raw_password is not None:
            raise InvalidRequest(
                f"the URL of {url.raw_host} has a user or a password in it, which is never sent"
            )
        self._addresses.check(url.raw_host, url.port or 0)

    async def _asked(self, url: URL, most: int) -> tuple[Answer | None, str]:
        """The answer, or where it is to be had."""
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status in REDIRECTS and "Location" in response.headers:
                    response.close()  # its body may have no end
                    return None, response.headers["Location"]
                body, truncated = await _read(response, most)
                return Answer(url, response.status, _headers(response), body, truncated), ""
        except (aiohttp.ClientError, OSError, UnicodeError) as exc:
            raise _failed(_what_broke(url, exc)) from exc


class _Guard(AbstractResolver):
    """Looks a name up once: aiohttp connects to the very addresses that were checked."""

    def __init__(self, addresses: Addresses, lookup: Lookup) -> None:
        self._addresses, self._lookup = addresses, lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._lookup(host, port)
        self._addresses.check_found(host, found)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        """It holds nothing."""


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    joined = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
    return {name: value.encode(errors="replace").decode() for name, value in joined.items()}


async def _read(response: aiohttp.ClientResponse, most: int) -> tuple[bytes, bool]:
    body = bytearray()
    # Decompressed piece by piece, so that a bomb goes off no further than this.
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > most:
            response.close()
            return bytes(body[:most]), True
    return bytes(body), False


def _parsed(text: str, base: URL | None = None) -> URL:
    if len(text) > LONGEST_URL:
        raise InvalidRequest(f"a URL of {len(text):,} characters is too long: at most {LONGEST_URL:,}")
    try:
        url = URL(text)
        return base.join(url) if base else url
    except ValueError as exc:
        raise InvalidRequest(f"{text!r:.200} is no URL to fetch: {exc}") from exc


def _what_broke(url: URL, error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError() | UnicodeError():
            return f"{url.host:.100} is not a host that is known"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return f"no safe connection to {url.host:.100}: {error!s:.300}"
        case aiohttp.ClientConnectorError():
            return f"no connection to {url.host:.100}: {error.strerror or error}"
    return f"{url.host:.100} broke off or sent what is no HTTP: {error!s:.300}"


def _failed(sentence: str) -> CallError:
    return CallError("provider_error", sentence)

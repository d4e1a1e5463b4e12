"""The check that is a GET: any status from 200 to 399 is a success."""

from __future__ import annotations

import socket
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from gleitzeitd.core.spec import Check
from gleitzeitd.core.verdict import Outcome
from gleitzeitd.processes.checks.lookup import Lookup
from gleitzeitd.processes.checks.net import open_socket, within

BUFFER = 512
"""Bytes of a body that are taken in at once. Nobody reads it: the status has said it all."""


async def get(check: Check, lookup: Lookup) -> Outcome:
    """One GET, whose redirects are not followed."""
    return await within(check.timeout, f"GET {_shown(check.url)}", partial(_attempt, check.url, lookup))


def _shown(url: str) -> str:
    """The URL without what may be secret: a user, a password, a query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "the URL"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


async def _attempt(url: str, lookup: Lookup) -> str:
    """Nothing, or in words why it failed. Raises OSError.

    The words are ours: those of aiohttp contain the URL, or what the server sent.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        return "that is no URL of http or https"
    try:
        status = await _status(url, lookup)
    except aiohttp.ClientConnectorCertificateError as exc:
        error = exc.certificate_error
        return f"its certificate is not accepted: {getattr(error, 'verify_message', '') or error}"
    except aiohttp.ClientConnectorError as exc:
        raise exc.os_error from exc
    except aiohttp.ServerDisconnectedError:
        return "it closed the connection without an answer"
    except aiohttp.InvalidURL:
        return "that is no URL of http or https"
    except aiohttp.ClientError as exc:
        if isinstance(exc, OSError):
            raise
        return "the answer is not HTTP"
    return "" if 200 <= status < 400 else _phrase(status)


async def _status(url: str, lookup: Lookup) -> int:
    # Nothing may outlive the one request: no connection, no cookie, no look-up in a task of its own.
    async with (
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=_Resolver(lookup),
                use_dns_cache=False,
                force_close=True,
                socket_factory=open_socket,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "gleitzeitd"},
            # The scope around it is the deadline.
            timeout=aiohttp.ClientTimeout(),
            # What nobody reads is not to be unpacked: a small body may become a huge one.
            auto_decompress=False,
            read_bufsize=BUFFER,
        ) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        return response.status


def _phrase(status: int) -> str:
    """`503 Service Unavailable`; the server's own phrase could be anything."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


class _Resolver(AbstractResolver):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address[0],
                port=port,
                family=of,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for of, _, protocol, _, address in await self._lookup.addresses(host, port)
        ]

    async def close(self) -> None: ...

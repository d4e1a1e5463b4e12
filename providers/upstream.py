"""A server that a provider asks by HTTP: one session, what its refusals mean, and answers that are bounded.

Nothing here tries again: the hub does. What the provider sends and reads is its own affair.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gleitzeit_extensions import (
    CallError,
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Unavailable,
    current_call,
)

if TYPE_CHECKING:
    import aiohttp

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes of an answer that is read as a whole."""

LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of one line of a stream."""

LONGEST_REFUSAL = 2000
"""Characters of an error of the server's that the caller is told."""

MOST_OF_A_REFUSAL = 64 * 1024
"""Bytes of it that are read."""

CONNECT_WITHIN = 10.0
"""Seconds that a connection may take."""

HEALTH_WITHIN = 2.0
"""Seconds in which a server that is well answers a question about its health."""

_TOO_LONG = (
    *("context length", "context_length", "context window", "context size", "maximum context"),
    "too many tokens",
)

_QUERY = re.compile(r"(?<=\w)\?[^\s'\"]*")
"""Of a URL that a library repeats: some APIs want their key there."""


def host(base_url: str) -> str:
    """Of a URL to which paths can be added; nothing for what is none."""
    try:
        url = urlsplit(base_url)
        is_plain = base_url.isprintable() and not {" ", "?", "#"}.intersection(base_url)
        if is_plain and url.port != 0 and (name := url.hostname) and name.encode("idna"):
            return name
    except ValueError:  # a port that is none, half an IPv6 address, or a name that is too long
        pass
    return ""


class Upstream:
    """One server. `title` names it in errors; `headers` go with each request, and are never repeated."""

    def __init__(self, title: str, base_url: str, headers: Mapping[str, str] | None = None) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f'the URL of {title} begins with http:// or https://, unlike "{base_url:.100}"')
        if not host(base_url):
            raise ValueError(f"the URL of {title} is no plain URL: write it like http://localhost:8080/v1")
        self.title, self.base_url = title, base_url.rstrip("/")
        self._place = re.sub("//[^/]*@", "//", self.base_url)  # without a password that is in it
        self._headers = dict(headers or {})
        for name, value in self._headers.items():
            if not (name + value).isprintable():
                raise ValueError(f'the header "{name:.50}" of {title} is more than one line of text')
            if name.lower() == "authorization" and urlsplit(base_url).username is not None:
                raise ValueError(f"{title} takes a user in its URL or the header Authorization, not both")
        self._secrets = [*self._headers.values(), urlsplit(base_url).password or ""]
        # Opened at the first request: a constructor has to be quick and may run outside of a loop.
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def ask(
        self, method: str, path: str, body: Any = None, within: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Its answer, which is a success; leaving the block before its end closes the connection.

        Without `within`, the deadline of the current call is that of the request.
        """
        import aiohttp

        call = current_call()
        seconds = within if within is not None else call.seconds_left if call else None
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_WITHIN)
        try:
            # A redirect would carry the headers, and with them a key, to somewhere else.
            async with self._opened().request(
                method, self.base_url + path, json=body, timeout=timeout, allow_redirects=False
            ) as answer:
                if answer.status >= 300:
                    raise self._refusal(answer, await _beginning(answer))
                yield answer
        except TimeoutError as exc:
            raise Unavailable(f"{self.title} at {self._place} did not answer in time") from exc
        except (aiohttp.ClientError, ConnectionError) as exc:
            said = _QUERY.sub("", str(exc))
            raise Unavailable(self.without_keys(f"no {self.title} at {self._place}: {said}")) from exc

    async def json(self, method: str, path: str, body: Any = None, within: float | None = None) -> Any:
        """Its answer as JSON."""
        async with self.ask(method, path, body, within) as answer:
            data = bytearray()
            async for chunk in answer.content.iter_any():
                data += chunk
                if len(data) > LARGEST_ANSWER:
                    raise self.failed(f"answered more than {LARGEST_ANSWER:,} bytes")
        return self.parsed(bytes(data))

    async def lines(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The lines of an answer as they come, without their ends."""
        rest = bytearray()
        async for chunk in answer.content.iter_any():
            rest += chunk
            if b"\n" in chunk:
                *whole, last = rest.split(b"\n")
                rest = last
                for line in whole:
                    yield bytes(line).rstrip(b"\r")
            if len(rest) > LONGEST_LINE:
                raise self.failed(f"sent a line of more than {LONGEST_LINE:,} bytes")
        if rest:
            yield bytes(rest)

    async def events(self, answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The data of server-sent events as they come."""
        data, size = list[bytes](), 0
        async for line in self.lines(answer):
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
                size += len(line)
                if size > LONGEST_LINE:
                    raise self.failed(f"sent an event of more than {LONGEST_LINE:,} bytes")
            elif not line and data:
                yield b"\n".join(data)
                data, size = [], 0
        if data:  # servers have been seen to leave out the last empty line
            yield b"\n".join(data)

    def parsed(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as exc:
            begins = self.without_keys(data[:1000].decode(errors="replace"))[:80]
            raise self.failed(f"answered what is not JSON: {begins!r}") from exc

    def failed(self, what: str) -> CallError:
        """An answer that cannot be used; another instance would hardly get a better one."""
        return CallError("provider_error", self.without_keys(f"{self.title} at {self._place} {what}"))

    async def close(self) -> None:
        session, self._session = self._session, None
        if session:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            # The hub bounds how many calls there are at a time.
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self._session

    def _refusal(self, answer: aiohttp.ClientResponse, text: str) -> CallError:
        # Half a key, which is what cutting it first may leave, would be told.
        words = self.without_keys(text)[:LONGEST_REFUSAL] or answer.reason
        said = f"{self.title} answered {answer.status}: {words}"
        match answer.status:
            case 401 | 403:
                return CallError("provider_error", f"{said} (is its key right?)")
            case 408 | 425:
                return Unavailable(said)
            case 429:
                return RateLimited(said, _seconds(answer.headers.get("Retry-After")))
            case status if status >= 500:
                return Unavailable(said, _seconds(answer.headers.get("Retry-After")))
            case status if status >= 400:
                is_long = status == 413 or any(words in text.lower() for words in _TOO_LONG)
                return ContextTooLong(said) if is_long else InvalidRequest(said)
        return self.failed(f"answered {answer.status}, which is no answer: is its URL right?")

    def without_keys(self, text: str) -> str:
        """A text of the server's, which may have repeated what it was sent."""
        for value in self._secrets:
            for secret in {value, value.rpartition(" ")[2]}:
                if len(secret) >= 6:
                    text = text.replace(secret, "********")
        return text


def _seconds(retry_after: str | None) -> float | None:
    """Those of the header; None for a date, which nobody sends to a program that waits for seconds."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    """What a refusal says: the message of the usual JSON shapes, else its text."""
    data = bytearray()
    while len(data) < MOST_OF_A_REFUSAL and (chunk := await answer.content.read(MOST_OF_A_REFUSAL)):
        data += chunk
    try:
        said = json.loads(data)
        while isinstance(said, dict):
            said = next(said[key] for key in ("error", "message", "detail") if key in said)
    except (ValueError, RecursionError, StopIteration):
        said = None
    text = said if isinstance(said, str) else data.decode(errors="replace")
    return text.strip()

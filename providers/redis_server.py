"""One Redis server: a client of it, and what its refusals mean.

Nothing here tries again: the hub does.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis

CONNECT_WITHIN = 5.0
"""Seconds that a connection may take."""

ANSWERS_WITHIN = 30.0
"""Seconds in which Redis answers one command."""

MOST_CONNECTIONS = 10_000
"""The hub bounds how many calls there are at a time; without a number, redis-py takes 100."""

LONGEST_REFUSAL = 500
"""Characters of an error that the caller is told."""


class RedisServer:
    """Connects to nobody before it is asked."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            parts = urlsplit(url)
            self.where = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
            self._opened: Redis | None = self._made()
        except ValueError as exc:
            # The library's words may repeat a part of the password.
            raise ValueError(
                "url cannot be read: write it like redis://user:password@host:6379/0, with what is special "
                "in the password percent-encoded"
            ) from exc

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Any]:
        """Its client, whose answers redis-py types as all that any server could say; errors have classes."""
        from redis import exceptions

        try:
            yield self._client()
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as exc:
            raise self._failed(f"refuses the user of `url`: {exc}") from exc
        except (exceptions.TimeoutError, TimeoutError) as exc:
            raise self.unavailable("it did not answer in time") from exc
        except (
            exceptions.ConnectionError,
            exceptions.ClusterDownError,
            exceptions.OutOfMemoryError,
            exceptions.ReadOnlyError,
            exceptions.TryAgainError,
            OSError,
        ) as exc:
            raise self.unavailable(str(exc)) from exc
        except exceptions.AskError as exc:
            raise self._failed(f"is one of a cluster, which this provider does not know: {exc}") from exc
        except UnicodeEncodeError as exc:
            raise InvalidRequest(f"a text has no form in UTF-8: {exc.reason}") from exc
        except exceptions.RedisError as exc:
            raise InvalidRequest(f"Redis cannot be asked this: {exc}"[:LONGEST_REFUSAL]) from exc

    def unavailable(self, why: str) -> Unavailable:
        return Unavailable(f"no Redis at {self.where}: {why}"[:LONGEST_REFUSAL])

    async def close(self) -> None:
        client, self._opened = self._opened, None
        if client:
            await client.aclose()

    def _failed(self, what: str) -> CallError:
        return CallError("provider_error", f"Redis at {self.where} {what}"[:LONGEST_REFUSAL])

    def _client(self) -> Redis:
        # It is made again where a provider is connected again.
        self._opened = self._opened or self._made()
        return self._opened

    def _made(self) -> Redis:
        try:
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
        except ImportError as exc:
            raise ImportError("it needs the package redis: pip install 'gleitzeitd[redis]'") from exc
        return Redis.from_url(
            self._url,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            socket_connect_timeout=CONNECT_WITHIN,
            socket_timeout=ANSWERS_WITHIN,
            max_connections=MOST_CONNECTIONS,
        )

"""Whatever is awaited is waited for as long as the daemon lives, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from gleitzeit_extensions.client import request
from gleitzeit_extensions.client.errors import ClientError


class Vigil:
    """A scope that calls `check` in every silence; its ClientError ends what is awaited there."""

    def __init__(self, check: Callable[[], Awaitable[object]]) -> None:
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._scope = asyncio.timeout(None)
        self._checking: asyncio.Task[None] | None = None
        self._failure: ClientError | None = None

    async def __aenter__(self) -> None:
        await self._scope.__aenter__()
        self._timer = self._loop.call_later(request.SILENCE, self._begin)

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._checking is not None:
            self._checking.cancel()
        try:
            await self._scope.__aexit__(kind, exc, trace)
        except TimeoutError:
            if self._failure is None:
                raise
            raise self._failure from None

    def _begin(self) -> None:
        self._checking = self._loop.create_task(self._look())

    async def _look(self) -> None:
        try:
            await self._check()
        except ClientError as exc:
            self._failure = exc
            self._scope.reschedule(self._loop.time())
        else:
            self._timer = self._loop.call_later(request.SILENCE, self._begin)


async def what_came() -> None:
    """Have a loop that stood still hear what happened meanwhile, such as connections that were closed."""
    # The first turn finds out what there is, the second is after it was heard.
    await asyncio.sleep(0)
    await asyncio.sleep(0)

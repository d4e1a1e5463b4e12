"""Idempotency keys: the same request of the same caller is carried once, however often it is sent.

While it runs, whoever sends it again waits for the same answer; afterwards its result is replayed for an
hour. What failed is not remembered, so that it can be tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub import clock
from gleitzeitd.hub.calls import Request

MOST = 10_000
"""Results that are remembered."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes of JSON that they may have together."""
SECONDS = 3600.0
"""For which they are."""
Key = tuple[str, str]
Start = Callable[..., object]
"""Starts a coroutine function with its arguments, as a task of the hub's."""


class Finished(NamedTuple):
    print: bytes
    result: Any
    size: int
    until: float


class Running:
    """A request that is being carried, and how many wait for its answer."""

    def __init__(self, fingerprint: bytes) -> None:
        self.print = fingerprint
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.scope = anyio.CancelScope()
        self.waiting = 0


class Keys:
    def __init__(self, start: Start) -> None:
        self._start = start
        self._running: dict[Key, Running] = {}
        self._finished: OrderedDict[Key, Finished] = OrderedDict()
        self._bytes = 0

    async def answer(self, request: Request, carry: Callable[[Request], Awaitable[Any]]) -> Any:
        """The result of a request that has a key. Raises CallError, `conflict` when the key was used for
        another request."""
        key, found = (request.caller, request.key), fingerprint(request)
        self._drop_old()
        if (finished := self._finished.get(key)) is not None:
            _demand_same(request, finished.print, found)
            return finished.result
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = Running(found)
            self._start(self._run, key, running, request, carry)
            return await self._wait(key, running)
        _demand_same(request, running.print, found)
        with anyio.move_on_after(request.timeout):
            return await self._wait(key, running)
        sentence = f'the request with the key "{request.key}" is not over within {request.timeout:g} s'
        raise CallError("deadline_exceeded", sentence)

    def forget(self, caller: str) -> None:
        """Whoever has that name from now on is somebody else."""
        for key in [key for key in self._finished if key[0] == caller]:
            self._bytes -= self._finished.pop(key).size

    async def _wait(self, key: Key, running: Running) -> Any:
        running.waiting += 1
        try:
            return await asyncio.shield(running.answer)
        finally:
            running.waiting -= 1
            if not running.waiting:
                self._leave(key, running)
                running.scope.cancel()

    async def _run(
        self, key: Key, running: Running, request: Request, carry: Callable[[Request], Awaitable[Any]]
    ) -> None:
        answer = running.answer
        try:
            with running.scope:
                result = await carry(request)
                self._remember(key, running.print, result)
                answer.set_result(result)
        except Exception as exc:
            # It is for those who wait, or else nobody's.
            answer.set_exception(exc)
            answer.exception()
        finally:
            self._leave(key, running)
            if not answer.done():
                answer.set_exception(CallError("cancelled", "nobody waits for it"))
                answer.exception()

    def _leave(self, key: Key, running: Running) -> None:
        """Whoever comes from now on is not for this one."""
        if self._running.get(key) is running:
            del self._running[key]

    def _remember(self, key: Key, found: bytes, result: Any) -> None:
        until = clock.now() + SECONDS
        if earlier := self._finished.pop(key, None):
            self._bytes -= earlier.size
        self._finished[key] = Finished(found, result, _size(result), until)
        self._bytes += self._finished[key].size
        while len(self._finished) > MOST or self._bytes > MOST_BYTES:
            self._drop_first()

    def _drop_old(self) -> None:
        now = clock.now()
        while self._finished and next(iter(self._finished.values())).until <= now:
            self._drop_first()

    def _drop_first(self) -> None:
        _, finished = self._finished.popitem(last=False)
        self._bytes -= finished.size


def fingerprint(request: Request) -> bytes:
    """What two requests with one key have in common when they are the same."""
    asked = [request.target.by, request.target.name, request.method, request.args]
    try:
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).digest()
    except (TypeError, ValueError, RecursionError) as exc:
        raise CallError("invalid_request", f"the arguments cannot be sent as JSON: {exc}") from exc


def _size(result: Any) -> int:
    try:
        return len(json.dumps(result))
    except RecursionError:
        # Too deep to be sent to anybody: it is not to stay.
        return MOST_BYTES + 1


def _demand_same(request: Request, known: bytes, found: bytes) -> None:
    if known != found:
        sentence = f'the key "{request.key}" was used for another request: choose a new one'
        raise CallError("conflict", sentence)

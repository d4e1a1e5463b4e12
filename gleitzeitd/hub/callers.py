"""The namespace `/clients`: calls that are answered or streamed, and cancelled when the caller leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

from gleitzeit_extensions.protocol import WINDOW, CallError, Wire
from gleitzeitd.hub.admission import Admission
from gleitzeitd.hub.calls import Request
from gleitzeitd.hub.router import Router

log = structlog.get_logger("gleitzeitd")
Emit = Callable[[str, str, Any], Awaitable[None]]
MOST_CALLS = 10_000
"""Calls that one connection may have in progress."""


class Progress:
    """One call of one caller: what cancels it, and the frames it may still be sent."""

    def __init__(self, credit: int) -> None:
        self.scope = anyio.CancelScope()
        self._credit = credit
        self._granted = anyio.Event()

    def grant(self, frames: int) -> None:
        self._credit += frames
        self._granted.set()

    async def spend(self) -> None:
        """Wait until one more frame may be sent."""
        while self._credit < 1:
            self._granted = anyio.Event()
            await self._granted.wait()
        self._credit -= 1


class Callers:
    def __init__(self, router: Router, admission: Admission, tasks: TaskGroup, emit: Emit) -> None:
        """`emit(sid, event, data)` is of this namespace."""
        self._router = router
        self._admission = admission
        self._tasks = tasks
        self._emit = emit
        self._progress: dict[str, dict[str, Progress]] = {}

    def handlers(self) -> dict[str, Callable[..., Awaitable[None]]]:
        """What takes each event."""
        return {
            "connect": self._connect,
            "disconnect": self._disconnected,
            "invoke": self._invoke,
            "credit": self._credit,
            "cancel": self._cancel,
        }

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        self._admission.caller(environ, auth)

    async def _disconnected(self, sid: str, *_: object) -> None:
        for progress in self._progress.pop(sid, {}).values():
            progress.scope.cancel()

    async def _invoke(self, sid: str, data: object = None, *_: object) -> None:
        calls = self._progress.setdefault(sid, {})
        number = data.get("id") if isinstance(data, dict) else None
        try:
            if not isinstance(data, dict) or not isinstance(number, str):
                raise CallError("invalid_request", "`invoke` needs an `id`, a string")
            if number in calls:
                raise CallError("conflict", f"a call with the id {number[:100]!r} is in progress")
            if len(calls) >= MOST_CALLS:
                raise CallError("overloaded", f"this connection has {MOST_CALLS} calls in progress")
            request, streamed = read_request(data, data.get("provider")), data.get("stream") is True
            progress = calls[number] = Progress(_window(data))
        except CallError as exc:
            await self._emit(sid, "result", {"id": number, "ok": False, "error": exc.wire()})
            return
        carry = self._stream if streamed else self._answer
        self._tasks.start_soon(self._carry, carry, sid, number, request, progress)

    async def _carry(
        self,
        carry: Callable[[str, str, Request, Progress], Awaitable[None]],
        sid: str,
        number: str,
        request: Request,
        progress: Progress,
    ) -> None:
        try:
            with progress.scope:
                await carry(sid, number, request, progress)
                return
            if sid in self._progress:
                error = CallError("cancelled", "the caller cancelled it")
                await self._emit(sid, "result", {"id": number, "ok": False, "error": error.wire()})
        except Exception as exc:
            # One call's mistake of ours must not take the hub with it.
            log.exception("call failed", provider=request.provider, method=request.method)
            error = CallError("internal", f"{type(exc).__name__} in the daemon: see its log")
            await self._emit(sid, "result", {"id": number, "ok": False, "error": error.wire()})
        finally:
            self._progress.get(sid, {}).pop(number, None)

    async def _answer(self, sid: str, number: str, request: Request, progress: Progress) -> None:
        try:
            answer: Wire = {"id": number, "ok": True, "result": await self._router.invoke(request)}
        except CallError as exc:
            answer = {"id": number, "ok": False, "error": exc.wire()}
        await self._emit(sid, "result", answer)

    async def _stream(self, sid: str, number: str, request: Request, progress: Progress) -> None:
        async with self._router.stream(request) as reading:
            try:
                while (items := await reading.frame()) is not None:
                    await progress.spend()
                    await self._emit(sid, "chunk", {"id": number, "seq": reading.frames - 1, "d": items})
                end: Wire = {"id": number, "seq": reading.frames}
            except CallError as exc:
                end = {"id": number, "seq": reading.frames, "error": exc.wire()}
        await self._emit(sid, "end", end)

    async def _credit(self, sid: str, data: object = None, *_: object) -> None:
        match data:
            case {"id": str(number), "n": int(frames)} if frames > 0:
                if progress := self._progress.get(sid, {}).get(number):
                    progress.grant(frames)

    async def _cancel(self, sid: str, data: object = None, *_: object) -> None:
        match data:
            case {"id": str(number)}:
                if progress := self._progress.get(sid, {}).get(number):
                    progress.scope.cancel()


def read_request(data: Wire, provider: object) -> Request:
    """The request that a caller sent. Raises CallError `invalid_request`."""
    method, args, timeout = data.get("method"), data.get("args", {}), data.get("timeout")
    if not isinstance(provider, str):
        raise CallError("invalid_request", "`provider` must be a string")
    if not isinstance(method, str) or not method:
        raise CallError("invalid_request", "`method` must be a string")
    if method.startswith("_"):
        raise CallError(
            "not_found.method", f'"{method}" is not for calls: a name that begins with _ is private'
        )
    if not isinstance(args, dict):
        raise CallError("invalid_request", '`args` must be an object such as {"a": 5}')
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (number and 0 < timeout <= 86400):
        raise CallError("invalid_request", "`timeout` must be seconds, more than 0 and at most a day")
    return Request(provider, method, args, timeout, data.get("idempotent") is True)


def _window(data: Wire) -> int:
    credit = data.get("credit", WINDOW)
    return credit if isinstance(credit, int) and 0 <= credit <= 10_000 else WINDOW

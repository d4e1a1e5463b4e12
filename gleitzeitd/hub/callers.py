"""The namespace `/clients`: calls that are answered or streamed, and cancelled when the caller leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from gleitzeit_extensions.protocol import WINDOW, CallError, Wire, may_send
from gleitzeitd.hub.access.admission import Admission, Visitor
from gleitzeitd.hub.calls import Request
from gleitzeitd.hub.requests import read_request
from gleitzeitd.hub.router import Router

log = structlog.get_logger("gleitzeitd")
Emit = Callable[[str, str, Any], Awaitable[None]]
MOST_CALLS = 10_000
"""Calls that one connection may have in progress."""


class Progress:
    """One call of one caller: its task, and the credits that its chunks may still cost."""

    def __init__(self, credit: int) -> None:
        self.task: asyncio.Task[None] | None = None
        """None until it runs: one that never did could not answer for itself."""
        self.is_cancelled = False
        self._credit = credit
        self._window = max(credit, 1)
        self._granted = asyncio.Event()

    def cancel(self) -> None:
        self.is_cancelled = True
        if self.task is not None:
            self.task.cancel()

    def grant(self, credits: int) -> None:
        self._credit = min(self._credit + credits, max(self._window, WINDOW))
        self._granted.set()

    async def spend(self, price: int) -> None:
        """Wait until a chunk that costs so much may be sent."""
        while not may_send(self._credit, min(price, self._window)):
            self._granted.clear()
            await self._granted.wait()
        self._credit -= price


class Callers:
    def __init__(self, router: Router, admission: Admission, tasks: asyncio.TaskGroup, emit: Emit) -> None:
        """`emit(sid, event, data)` is of this namespace."""
        self._router = router
        self._admission = admission
        self._tasks = tasks
        self._emit = emit
        self._progress: dict[str, dict[str, Progress]] = {}
        self._visitors: dict[str, Visitor] = {}

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
        self._visitors[sid] = self._admission.caller(environ, auth)

    async def _disconnected(self, sid: str, *_: object) -> None:
        self._visitors.pop(sid, None)
        for progress in self._progress.pop(sid, {}).values():
            progress.cancel()

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
            request, streamed = self._request(sid, data), data.get("stream") is True
            progress = calls[number] = Progress(_window(data))
        except CallError as exc:
            await self._fail(sid, number, exc)
            return
        carry = self._stream if streamed else self._answer
        self._tasks.create_task(self._carry(carry, sid, number, request, progress))

    def _request(self, sid: str, data: Wire) -> Request:
        """Raises CallError."""
        visitor = self._visitors.get(sid)
        if visitor is None:
            raise CallError("protocol", "this connection has ended")
        request = read_request(data, None, visitor.grant.who, visitor.grant.may_invoke)
        visitor.demand_invoke(request.target.name)
        return request

    async def _carry(
        self,
        carry: Callable[[str, str, Request, Progress], Awaitable[None]],
        sid: str,
        number: str,
        request: Request,
        progress: Progress,
    ) -> None:
        progress.task = asyncio.current_task()
        try:
            if progress.is_cancelled:
                raise asyncio.CancelledError
            await carry(sid, number, request, progress)
        except asyncio.CancelledError:
            if not progress.is_cancelled:
                raise
            if sid in self._progress:
                await self._fail(sid, number, CallError("cancelled", "the caller cancelled it"))
        except Exception as exc:
            # One call's mistake of ours must not take the hub with it.
            log.exception("call failed", target=str(request.target), method=request.method)
            error = CallError("internal", f"{type(exc).__name__} in the daemon: see its log")
            await self._fail(sid, number, error)
        finally:
            self._progress.get(sid, {}).pop(number, None)

    async def _fail(self, sid: str, number: object, error: CallError) -> None:
        await self._emit(sid, "result", {"id": number, "ok": False, "error": error.wire()})

    async def _answer(self, sid: str, number: str, request: Request, progress: Progress) -> None:
        try:
            result = await self._router.invoke(request)
            await self._emit(sid, "result", {"id": number, "ok": True, "result": result})
        except CallError as exc:
            await self._fail(sid, number, exc)

    async def _stream(self, sid: str, number: str, request: Request, progress: Progress) -> None:
        async with self._router.stream(request) as reading:
            try:
                while (items := await reading.frame()) is not None:
                    await progress.spend(reading.price)
                    chunk: Wire = {"id": number, "seq": reading.frames - 1, "d": items}
                    if reading.price > 1:
                        chunk["cost"] = reading.price
                    await self._emit(sid, "chunk", chunk)
                end: Wire = {"id": number, "seq": reading.frames}
            except CallError as exc:
                end = {"id": number, "seq": reading.frames, "error": exc.wire()}
        await self._emit(sid, "end", end)

    async def _credit(self, sid: str, data: object = None, *_: object) -> None:
        match data:
            case {"id": str(number), "n": int(credits)} if credits > 0:
                if progress := self._progress.get(sid, {}).get(number):
                    progress.grant(credits)

    async def _cancel(self, sid: str, data: object = None, *_: object) -> None:
        match data:
            case {"id": str(number)}:
                if progress := self._progress.get(sid, {}).get(number):
                    progress.cancel()


def _window(data: Wire) -> int:
    credit = data.get("credit", WINDOW)
    return credit if isinstance(credit, int) and 0 <= credit <= 10_000 else WINDOW

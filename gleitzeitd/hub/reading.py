"""One streamed answer being read: it may change hands until its first items are delivered."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Self

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub import clock
from gleitzeitd.hub.attempts import Attempts
from gleitzeitd.hub.calls import Request, Stream
from gleitzeitd.hub.desk import Desk, named


class Reading:
    """Leaving it early cancels the stream."""

    def __init__(self, desk: Desk, request: Request) -> None:
        self._desk = desk
        self._request = request
        self._began = clock.now()
        self._deadline = self._began + (request.timeout or math.inf)
        self._attempts = Attempts(desk, request, self._deadline, streamed=True)
        self._call: Stream | None = None
        self._is_over = False
        self.frames = 0
        """Frames that were delivered."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._attempts.leave()
        self._end("cancelled")

    @property
    def served_by(self) -> str:
        """The provider that has it or had it last."""
        return self._attempts.provider

    @property
    def price(self) -> int:
        """Credits that the last frame cost."""
        return self._call.price if self._call is not None else 1

    async def frame(self) -> list[Any] | None:
        """The next items; None at the end. Raises CallError."""
        try:
            with anyio.move_on_at(self._deadline):
                items = await self._next()
                if items is None:
                    self._end("ok")
                else:
                    self._delivered(items)
                return items
            raise CallError("deadline_exceeded", self._late("was not over", self._request.timeout or 0.0))
        except CallError as exc:
            self._attempts.leave()
            self._end(exc.code)
            raise

    async def _next(self) -> list[Any] | None:
        while True:
            try:
                items = await self._awaited()
            except CallError as exc:
                self._call = None
                await self._attempts.failed(exc, delivered=self.frames > 0)
                continue
            if items is None:
                self._attempts.answered()
            return items

    async def _awaited(self) -> list[Any] | None:
        """The next items of the present attempt, or of a new one."""
        if self._call is None:
            await self._begin()
        assert self._call is not None
        patience = self._patience(self._attempts.provider)
        with anyio.move_on_after(patience):
            return await self._call.frame()
        raise CallError("stalled", f"{named(self._request)}: no chunk came for {patience:g} s")

    async def _begin(self) -> None:
        call = Stream(self._desk.next_id(), self._deadline)
        patience = self._patience(self._attempts.provider)
        until = self._deadline if self._request.timeout else clock.now() + patience
        with anyio.move_on_at(until):
            await self._attempts.begin(call, until)
            self._call = call
            return
        waited = self._request.timeout or patience
        raise CallError("deadline_exceeded", self._late("was not taken", waited))

    def _late(self, what: str, seconds: float) -> str:
        if not self._attempts.number:
            return self._desk.why_late(self._request, seconds)
        return f"{named(self._request)} {what} within {seconds:g} s"

    def _patience(self, provider: str) -> float:
        """Seconds that a stream of a provider may be silent."""
        return self._desk.registry.routing(provider).stall_timeout

    def _delivered(self, items: list[Any]) -> None:
        now, provider = clock.now(), self._attempts.provider
        if not self.frames:
            self._desk.meter.first_chunk(provider, now - self._began)
            self._attempts.begun()
        self.frames += 1
        self._desk.meter.items(provider, len(items))

    def _end(self, code: str) -> None:
        if not self._is_over:
            self._is_over = True
            now, had = clock.now(), self._attempts
            self._desk.meter.ended(had.provider, "stream", code, now - self._began, had.instance, now)

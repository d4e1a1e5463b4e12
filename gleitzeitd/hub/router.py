"""Carries one request to an answer: to a free instance, and to the next if that was lost and it may be."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import anyio

from gleitzeit_extensions.protocol import MAX_FRAME, WINDOW, CallError, Wire
from gleitzeitd.hub.calls import Answer, Call, LostError, Request, Stream
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Registry

ATTEMPTS = 3
"""Times that one request is written to a provider, in all."""
STALL_TIME = 60.0
"""Seconds that a stream may be silent when the caller names no timeout."""

Post = Callable[[Registration, str, Any], None]
"""Sends an event without waiting for it, even from a task that is being cancelled."""


class Router:
    def __init__(self, registry: Registry, post: Post) -> None:
        self.registry = registry
        self.post = post
        self._numbers = itertools.count(1)

    def next_id(self) -> str:
        return str(next(self._numbers))

    async def invoke(self, request: Request) -> Any:
        """The result. Raises CallError."""
        timeout = request.timeout or self.registry.routing(request.provider).timeout
        takers: list[Registration] = []
        with anyio.move_on_after(timeout) as scope:
            return await self._answer(request, scope.deadline, takers)
        sentence = f"{_named(request)} had no answer within {timeout:g} s"
        if not takers:
            sentence = self.why_late(request, timeout, sentence)
        raise CallError("deadline_exceeded", sentence)

    def why_late(self, request: Request, waited: float, otherwise: str) -> str:
        """The sentence about a call that nobody took, when it is known why."""
        why = self.registry.why_late(request.provider)
        return f'"{request.provider}" was not ready within {waited:g} s: {why}' if why else otherwise

    def stream(self, request: Request) -> Reading:
        """The answer in frames; use it with `async with`."""
        return Reading(self, request)

    async def _answer(self, request: Request, deadline: float, takers: list[Registration]) -> Any:
        """The result; whoever was given the call is added to `takers`. Raises CallError."""
        idempotent = self.may_repeat(request)
        lost: LostError | None = None
        for attempt in itertools.count(1):
            call = Answer(self.next_id(), deadline)
            try:
                registration = await self.send(request, call, attempt)
                takers.append(registration)
            except CallError as exc:
                # It was known a moment ago: that it left says more than that it is not there.
                if lost is not None and exc.code == "not_found.provider":
                    raise lost from exc
                raise
            try:
                return await call.answer()
            except LostError as exc:
                lost = exc
                if not idempotent or attempt == ATTEMPTS:
                    raise
            except anyio.get_cancelled_exc_class():
                self.cancel(registration, call, deadline)
                raise
        raise AssertionError  # pragma: no cover - the loop above has no end

    async def send(self, request: Request, call: Call, attempt: int) -> Registration:
        """Wait for a slot and write the call to it. Raises CallError."""
        registration = await self.registry.line(request.provider).place(call, request.provider)
        offer = registration.offer
        if offer.closed and not call.stream and request.method not in offer.method_names:
            registration.calls.pop(call.id, None)
            self.registry.answered(registration)
            known = ", ".join(sorted(offer.method_names)) or "none"
            raise CallError(
                "not_found.method", f'"{offer.name}" has no method "{request.method}": it has {known}'
            )
        frame: Wire = {
            "id": call.id,
            "method": request.method,
            "args": request.args,
            "stream": call.stream,
            "attempt": attempt,
        }
        if call.stream:
            frame["credit"] = WINDOW
        if call.deadline < math.inf:
            frame["deadline_ms"] = max(0, round((call.deadline - anyio.current_time()) * 1000))
        try:
            _check(request, frame)
            await registration.emit("invoke", frame)
        except BaseException:
            self.cancel(registration, call, call.deadline)
            raise
        return registration

    def may_repeat(self, request: Request) -> bool:
        return request.idempotent or self.registry.routing(request.provider).idempotent

    def cancel(self, registration: Registration, call: Call, deadline: float) -> None:
        """Nobody waits for the call any more. Its slot stays taken until the provider let go of it."""
        call.abandon()
        if call.id in registration.calls:
            reason = "deadline" if anyio.current_time() >= deadline else "caller_gone"
            self.post(registration, "cancel", {"id": call.id, "reason": reason})


class Reading:
    """One streamed answer being read. Leaving it early cancels it."""

    def __init__(self, router: Router, request: Request) -> None:
        self._router = router
        self._request = request
        self._deadline = anyio.current_time() + (request.timeout or math.inf)
        self._call: Stream | None = None
        self._registration: Registration | None = None
        self._attempt = 0
        self._consumed = 0
        self.frames = 0
        """Frames that were delivered."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    def _let_go(self) -> None:
        if self._call is not None and self._registration is not None:
            self._router.cancel(self._registration, self._call, self._deadline)
        self._call = self._registration = None

    async def frame(self) -> list[Any] | None:
        """The next items; None at the end. Raises CallError."""
        timeout = self._request.timeout
        wait = STALL_TIME if timeout is None else self._deadline - anyio.current_time()
        with anyio.move_on_after(wait):
            return await self._next()
        missed = (
            f"no chunk came for {STALL_TIME:g} s" if timeout is None else f"was not over within {timeout:g} s"
        )
        sentence = f"{_named(self._request)}: {missed}"
        if self._call is None:
            sentence = self._router.why_late(self._request, timeout or STALL_TIME, sentence)
        self._let_go()
        raise CallError("deadline_exceeded", sentence)

    async def _next(self) -> list[Any] | None:
        while True:
            if self._call is None or self._registration is None:
                await self._begin()
                continue
            try:
                items = await self._call.frame()
            except LostError:
                self._call = self._registration = None
                if self.frames or not self._may_repeat() or self._attempt >= ATTEMPTS:
                    raise
                continue
            except CallError:
                self._let_go()
                raise
            if items is None:
                self._call = self._registration = None
                return None
            self.frames += 1
            self._grant(self._registration, self._call)
            return items

    async def _begin(self) -> None:
        self._attempt += 1
        self._consumed = 0
        call = Stream(self._router.next_id(), self._deadline)
        self._registration = await self._router.send(self._request, call, self._attempt)
        self._call = call

    def _may_repeat(self) -> bool:
        spec = self._router.registry.spec(self._request.provider)
        return self._router.may_repeat(self._request) or (spec is not None and spec.type == "llm")

    def _grant(self, registration: Registration, call: Stream) -> None:
        self._consumed += 1
        if self._consumed >= WINDOW // 2:
            self._router.post(registration, "credit", {"id": call.id, "n": self._consumed})
            self._consumed = 0


def _named(request: Request) -> str:
    return f'"{request.provider}" {request.method}'


def _check(request: Request, frame: Wire) -> None:
    """Raises CallError for what would cut the provider's connection instead of reaching it."""
    try:
        size = len(json.dumps(frame, separators=(",", ":"), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        sentence = f"the arguments for {_named(request)} cannot be sent as JSON: {exc}"
        raise CallError("invalid_request", sentence) from exc
    if size > MAX_FRAME:
        most = f"the {MAX_FRAME:,} that one message may have"
        sentence = f"the call of {_named(request)} is {size:,} bytes of JSON, more than {most}"
        raise CallError("too_large", sentence, {"size": size, "limit": MAX_FRAME})

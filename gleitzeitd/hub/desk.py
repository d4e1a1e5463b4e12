"""Where calls are written to providers, and taken back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from gleitzeit_extensions.protocol import WINDOW, CallError, Wire
from gleitzeitd.core.targets import By
from gleitzeitd.hub import clock
from gleitzeitd.hub.budgets import Budgets
from gleitzeitd.hub.calls import Call, Request
from gleitzeitd.hub.line import Line, Placed
from gleitzeitd.hub.meter import Meter
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Registry

Post = Callable[[Registration, str, Any], None]
"""Sends an event without waiting for it, even from a task that is being cancelled."""


class Desk:
    """What every attempt of every request uses."""

    def __init__(self, registry: Registry, post: Post, meter: Meter) -> None:
        self.registry = registry
        self.meter = meter
        self.budgets = Budgets(registry.is_provider)
        self._post = post
        self._numbers = itertools.count(1)

    @property
    def line(self) -> Line:
        return self.registry.line

    def next_id(self) -> str:
        return str(next(self._numbers))

    async def write(self, request: Request, call: Call, placed: Placed, attempt: int) -> None:
        """Write a call to whom it was placed with. Raises CallError when it cannot be written."""
        registration, model = placed
        offer = registration.offer
        if not call.stream and not offer.may_have(request.method):
            known = ", ".join(sorted(offer.method_names)) or "none"
            sentence = f'"{offer.name}" has no method "{request.method}": it has {known}'
            raise CallError("not_found.method", sentence)
        frame: Wire = {
            "id": call.id,
            "method": request.method,
            "args": request.args,
            "stream": call.stream,
            "attempt": attempt,
        }
        if model:
            frame["model"] = model
        if request.key:
            frame["key"] = request.key
        if call.stream:
            frame["credit"] = WINDOW
        if call.deadline < math.inf:
            frame["deadline_ms"] = max(0, round((call.deadline - clock.now()) * 1000))
        try:
            await registration.emit("invoke", frame)
        except CallError as exc:
            code = "invalid_request" if exc.code == "protocol" else exc.code
            sentence = f"the call of {named(request)} cannot be sent: {exc.message}"
            raise CallError(code, sentence, exc.detail) from exc

    def may_repeat(self, request: Request, registration: Registration, *, streamed: bool) -> bool:
        """Whether what was written to it may be written again, there or to another."""
        spec = self.registry.spec(registration.name)
        kind = spec.type if spec else registration.offer.type
        return (
            request.idempotent
            or bool(request.key)
            or self.registry.routing(registration.name).idempotent
            or request.method in registration.offer.repeatable
            or (streamed and kind == "llm")
        )

    def cancel(self, registration: Registration, call: Call, reason: str) -> None:
        """Nobody waits for the call any more. Its slot stays taken until the provider let go of it."""
        call.abandon()
        if call.id in registration.calls:
            self._post(registration, "cancel", {"id": call.id, "reason": reason})

    def why_late(self, request: Request, waited: float) -> str:
        """The sentence about a call that nobody took."""
        if why := self.line.why_late(request.target):
            return f"{_for(request)} was not ready within {waited:g} s: {why}"
        return f"no slot of {_for(request)} was free within {waited:g} s"


def named(request: Request) -> str:
    """A request in an error's sentence."""
    return f"{_for(request)} {request.method}"


def _for(request: Request) -> str:
    target = request.target
    return f'"{target.name}"' if target.by is By.PROVIDER else str(target)

"""One request on its way: who has it, who had it, and where it goes next when it fails."""

from __future__ import annotations

import math
from collections.abc import Mapping

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core import failover
from gleitzeitd.core.breaker import called_off
from gleitzeitd.core.failover import ATTEMPTS, REFUSED, TROUBLES, Next
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub import clock, judgement
from gleitzeitd.hub.calls import Call, Request
from gleitzeitd.hub.desk import Desk
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.wish import Wish

PAUSE = 0.1
"""Seconds before an instance is given what it just failed, times the attempt."""


class Attempts:
    """The attempts of one request, one after the other; an attempt is a `Call` that is with an instance."""

    def __init__(self, desk: Desk, request: Request, deadline: float, *, streamed: bool) -> None:
        self._desk = desk
        self._request = request
        self._deadline = deadline
        self._streamed = streamed
        self._target = request.target
        self._tried: tuple[Registration, ...] = ()
        self._avoided: frozenset[Registration] = frozenset()
        self._error: CallError | None = None
        self._fallbacks: Mapping[str, tuple[str, ...]] | None = None
        self._fallen: set[str] = set()
        self._left = ""
        self.provider = self._lead
        """Who had it last, or by what name it is known that never reached anybody."""
        self.instance = self.provider
        """The one process of it, likewise."""
        self.number = 0
        """Times that the request was written to an instance."""
        self.call: Call | None = None
        self.registration: Registration | None = None
        """Who has it now."""
        self.began = clock.now()
        self._has_begun = False
        self.given = math.inf
        """When whoever has it was given it."""

    @property
    def _lead(self) -> str:
        return self._desk.line.routes.to(self._target).lead or self._target.name

    async def begin(self, call: Call, until: float) -> Registration:
        """Have the call placed before `until`, and written to whom it is placed with. Raises CallError."""
        request = self._request
        # What is streamed may have a name of its own that is on no list.
        method = "" if self._streamed else request.method
        wish = Wish(
            call,
            self._target,
            until,
            request.session,
            method,
            self._tried,
            self._avoided,
            self._has_way_out,
            request.may_see,
        )
        asked = clock.now()
        placed = await self._desk.line.place(wish)
        registration = placed.registration
        self.number += 1
        self._tried = (*self._tried, registration)
        self.call, self.registration, self.given = call, registration, clock.now()
        try:
            await self._desk.write(self._request, call, placed, self.number)
        except CallError:
            self._take_back(call, registration)
            raise
        self._count(registration, asked)
        return registration

    def _take_back(self, call: Call, registration: Registration) -> None:
        """It never left."""
        self.call = self.registration = None
        registration.calls.pop(call.id, None)
        registration.breaker = called_off(registration.breaker)
        self._desk.registry.answered(registration)

    def _count(self, registration: Registration, asked: float) -> None:
        meter, name = self._desk.meter, registration.name
        self.provider, self.instance = name, registration.instance
        meter.waited(name, self.given - asked)
        if self._left:
            meter.fell_back(self._left, name)
            self._left = ""
        elif self._error is not None:
            meter.retried(name, self._error.code)
        if self._error is None:
            self._desk.budgets.called(name, self.given)

    def begun(self) -> None:
        """The first part of the answer is there; the rest may take long."""
        if self.registration is not None:
            now = clock.now()
            self.registration.answered_in(now - self.given)
            if judgement.begun(self.registration, now):
                self._desk.line.stands(self.registration.name)
        self._has_begun = True

    def answered(self) -> None:
        """The request is done."""
        if self.registration is not None:
            now = clock.now()
            if not self._streamed:
                self.registration.answered_in(now - self.given)
            if judgement.answered(self.registration, now - self.given, now):
                self._desk.line.stands(self.registration.name)
        self.call = self.registration = None

    def leave(self) -> None:
        """Nobody waits for it any more. Its slot stays taken until the provider let go of it."""
        call, registration = self.call, self.registration
        self.call = self.registration = None
        if call is None or registration is None:
            return
        now = clock.now()
        is_late = now >= self._deadline
        # A stream whose caller had enough of it in that time did not fail.
        late = is_late and not self._has_begun
        changed = judgement.given_up(registration, now - self.given, now, late=late)
        self._desk.cancel(registration, call, "deadline" if is_late else "caller_gone")
        if changed:
            self._desk.line.stands(registration.name)

    async def failed(self, error: CallError, *, delivered: bool = False) -> None:
        """See to it that the next attempt can begin. Raises CallError when there is none."""
        registration, call = self.registration, self.call
        self.call = self.registration = None
        if registration is None or call is None:
            self._reached_nobody(error)
            return
        now = clock.now()
        if judgement.failed(registration, error, now - self.given, now):
            self._desk.line.stands(registration.name)
        if call.id in registration.calls and error.code != "protocol":
            self._desk.cancel(registration, call, "deadline")
        step, fallback = self._next(error, registration, now, delivered)
        self._error = error
        if step is Next.GIVE_UP or step is Next.FALLBACK:
            self._fall_back(error, step, fallback)
            return
        if error.code in REFUSED and judgement.retry_after(error) is None:
            self._avoided |= {registration}
        if error.code in TROUBLES:
            self._desk.budgets.retried(registration.name, now)
            if step is Next.AGAIN:
                await anyio.sleep(PAUSE * len(self._tried))

    def _next(
        self, error: CallError, registration: Registration, now: float, delivered: bool
    ) -> tuple[Next, str]:
        fallback = self._fallback(error.code, registration.name)
        step = failover.after(
            error.code,
            may_repeat=self._desk.may_repeat(self._request, registration, streamed=self._streamed),
            attempt=len(self._tried),
            others=self._has_others(now),
            affords=self._desk.budgets.affords(registration.name, now),
            falls_back=bool(fallback),
            delivered=delivered,
        )
        return step, fallback

    def _reached_nobody(self, error: CallError) -> None:
        """It cannot have begun. As `failed`."""
        if self._error is not None and error.code.startswith("not_found"):
            # What failed it says more than that somebody, or a fallback, is not there.
            error = self._error
            fallback = self._fallback(error.code, self._lead) if self._fallen else ""
            self._fall_back(error, Next.FALLBACK if fallback else Next.GIVE_UP, fallback)
            return
        fallback = self._fallback(error.code, self._lead)
        step = failover.after(
            error.code, may_repeat=True, attempt=ATTEMPTS, others=False, falls_back=bool(fallback)
        )
        self._fall_back(error, step, fallback)

    def _has_others(self, now: float) -> bool:
        """Whether another instance is there that could take it at once or after a while of waiting."""
        places = self._desk.line.routes.to(self._target).places
        return any(place not in self._tried and place.is_well(now) for place in places)

    def _has_way_out(self, code: str) -> bool:
        """Whether there is somewhere else to go after such an error, so that it need not wait."""
        return bool(self._fallback(code, self._lead))

    def _fallback(self, code: str, provider: str) -> str:
        """The next target of the chain of whom the request was for first; "" when there is none."""
        if self._fallbacks is None:
            self._fallbacks = self._desk.registry.routing(provider).fallbacks
        names = failover.fallbacks_for(self._fallbacks, code)
        return next((name for name in names if name not in self._fallen), "")

    def _fall_back(self, error: CallError, step: Next, fallback: str) -> None:
        if step is not Next.FALLBACK:
            raise error
        self._left = self.provider
        self._fallen.add(fallback)
        self._error, self._target, self._tried = error, Target(By.TARGET, fallback), ()
        self._avoided = frozenset()

"""Calls are given to instances here, and those that find no free slot wait: first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.breaker import CLOSED, is_open, opens_at, probing
from gleitzeitd.core.routing import hopeless
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.calls import Call
from gleitzeitd.hub.directory import Directory
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.routes import Route, Routes

LATE = 0.001
"""Seconds that the loop's timers may be early by, and more."""


class Placed(NamedTuple):
    """Who was given a call."""

    registration: Registration
    model: str
    """The name by which it knows the model that the call is for; "" when it is for none."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A call that is to be given to somebody."""

    call: Call
    target: Target
    until: float
    """When nobody waits for a place any more."""
    session: str = ""
    tried: tuple[Registration, ...] = ()
    """Who had the request before."""
    has_way_out: Callable[[str], bool] = lambda code: False
    """Whether it has somewhere else to go after an error of that code, and need not wait for breakers."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    number: int
    wish: Wish
    lead: str
    placed: asyncio.Future[Placed] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line:
    """Calls for one target wait in a queue of their own, so that none stands in the way of those that another
    instance can answer. A free slot goes to the oldest of all whom it can serve."""

    def __init__(self, directory: Directory, released: Callable[[Registration], None]) -> None:
        """`released`: a call was taken back from it."""
        self.routes = Routes(directory)
        self._directory = directory
        self._released = released
        self._random = Random()
        self._numbers = itertools.count(1)
        self._queues: dict[Target, deque[Waiting]] = {}
        self._waiting: Counter[str] = Counter()
        self._probe: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many calls wait in the name of each provider."""
        return self._waiting

    def queued(self, target: Target) -> int:
        return len(self._queues.get(target, ()))

    async def place(self, wish: Wish) -> Placed:
        """Who the call was given to: its slot is held at once. Raises CallError when it will be nobody."""
        # Whatever waits has nowhere to go: a free slot is nobody else's.
        route, now = self.routes.to(wish.target), asyncio.get_running_loop().time()
        if registration := route.choose(wish.session, wish.tried, now, self._random):
            return self._give(wish, route, registration, now)
        if error := self._why_not(route, wish, now) or self._too_many(route, wish.until, now):
            raise error
        entry = Waiting(next(self._numbers), wish, route.lead)
        self._queues.setdefault(wish.target, deque()).append(entry)
        self._waiting[route.lead] += 1
        self._look_again()
        try:
            return await entry.placed
        except asyncio.CancelledError:
            self._withdraw(entry)
            raise

    def _give(self, wish: Wish, route: Route, registration: Registration, now: float) -> Placed:
        registration.calls[wish.call.id] = wish.call
        registration.given = next(self._numbers)
        if registration.breaker is not CLOSED:
            registration.breaker = probing(registration.breaker, now)
        return Placed(registration, route.models[registration.name])

    def _withdraw(self, entry: Waiting) -> None:
        """Its caller waits no more, even if it was just given a place."""
        self._remove(entry)
        done = entry.placed.done() and not entry.placed.cancelled()
        if done and entry.placed.exception() is None:
            registration = entry.placed.result().registration
            registration.calls.pop(entry.wish.call.id, None)
            self._released(registration)

    def _remove(self, entry: Waiting) -> None:
        queue = self._queues.get(entry.wish.target)
        if queue is None:
            return
        with contextlib.suppress(ValueError):
            queue.remove(entry)
            self._waiting[entry.lead] -= 1
            if not self._waiting[entry.lead]:
                del self._waiting[entry.lead]
        if not queue:
            del self._queues[entry.wish.target]

    # What changes.
    def freed(self, registration: Registration) -> None:
        """It may have a free slot: give it to those who have waited longest."""
        while self._queues:
            now = asyncio.get_running_loop().time()
            if not registration.has_room(now) or not self._give_oldest(registration, now):
                return

    def fill(self) -> None:
        """Give every free slot away that somebody waits for."""
        while self._queues and self._give_oldest(None, asyncio.get_running_loop().time()):
            pass

    def _give_oldest(self, by: Registration | None, now: float) -> bool:
        """Whether a call was given to somebody, to `by` if that is named or to a better one for it."""
        oldest: tuple[Waiting, Route, Registration] | None = None
        for target, queue in self._queues.items():
            # Whose caller left is still in the queue until its task runs.
            entry = next((entry for entry in queue if not entry.placed.done()), None)
            if entry is None:
                continue
            route = self.routes.to(target)
            if (oldest and oldest[0].number < entry.number) or (by and by not in route.places):
                continue
            wish = entry.wish
            if registration := route.choose(wish.session, wish.tried, now, self._random):
                oldest = entry, route, registration
        if oldest is None:
            return False
        entry, route, registration = oldest
        self._remove(entry)
        entry.placed.set_result(self._give(entry.wish, route, registration, now))
        return True

    def changed(self, provider: str) -> None:
        """Who can answer for a provider, or how, is not what it was."""
        self.routes.changed(provider)
        self._reconsider([target for target in self._queues if target not in self.routes])

    def renamed(self) -> None:
        """Names mean something else than they did."""
        self.routes.clear()
        self._reconsider([*self._queues])

    def stands(self, provider: str) -> None:
        """How an instance of a provider stands has changed."""
        self._reconsider([target for target in self._queues if self.routes.to(target).concerns(provider)])

    def _reconsider(self, targets: Iterable[Target]) -> None:
        """Place who can be placed, and send away who would wait in vain."""
        self.fill()
        now = asyncio.get_running_loop().time()
        for target in targets:
            for entry in [entry for entry in self._queues.get(target, ()) if not entry.placed.done()]:
                if error := self._why_not(self.routes.to(target), entry.wish, now, was_known=True):
                    self._remove(entry)
                    entry.placed.set_exception(error)
        self._look_again()

    def _look_again(self) -> None:
        """Have a timer fill the line as soon as one of those that are kept waiting for may be tried again."""
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        if not self._queues:
            return
        now = asyncio.get_running_loop().time()
        at = min((self._opens(self.routes.to(target), now) for target in self._queues), default=math.inf)
        if at < math.inf:
            self._probe = asyncio.get_running_loop().call_at(at + LATE, self._fill_again)

    def _opens(self, route: Route, now: float) -> float:
        shut = (r.breaker for r in route.places if r.breaker is not CLOSED and is_open(r.breaker, now))
        return min((opens_at(breaker) for breaker in shut), default=math.inf)

    def _fill_again(self) -> None:
        self.fill()
        self._look_again()

    # Whether a call may wait.
    def why_late(self, target: Target) -> str:
        """Why nobody could take a call; nothing when those who could were only busy."""
        route, now = self.routes.to(target), asyncio.get_running_loop().time()
        upright = [registration for registration in route.places if registration.is_upright]
        if any(not is_open(registration.breaker, now) for registration in upright):
            return ""
        if upright:
            return _why_open(upright)
        if any(registration.degraded for registration in route.places):
            return "it says that it is degraded"
        if route.undecided:
            return f'"{route.lead}" has not said yet what it offers'
        reasons = (self._directory.standings.reason(hope) for hope in route.hopes)
        return next(filter(None, reasons), "it says that it is not ready")

    def _why_not(self, route: Route, wish: Wish, now: float, *, was_known: bool = False) -> CallError | None:
        """None when a call may wait for its place."""
        standings, until = self._directory.standings, wish.until
        if route.resolution is None:
            if any(standings.is_coming(provider, until) for provider in route.undecided):
                return None
            if was_known and route.target.by is By.PROVIDER:
                return CallError("no_instance", f"{route.target} is not connected any more")
            return self._directory.missing(route.target)
        upright = [registration for registration in route.places if registration.is_upright]
        shut = [registration for registration in upright if is_open(registration.breaker, now)]
        if len(shut) < len(upright):
            return None
        if shut:
            broken = _broken(route, shut, now)
            if wish.has_way_out(broken.code):
                return broken
            if self._opens_in_time(shut, until):
                return None
            coming = any(standings.is_coming(hope, until) for hope in route.hopes)
            return None if coming else broken
        return self._why_nobody(route, until)

    def _opens_in_time(self, shut: list[Registration], until: float) -> bool:
        """Whether one may be tried in time, or is being tried."""
        return any((at := opens_at(one.breaker)) < until or at == math.inf for one in shut)

    def _why_nobody(self, route: Route, until: float) -> CallError | None:
        sentences = []
        for hope in route.hopes:
            is_external = self._directory.spec(hope) is None
            if is_external and any(place.name == hope for place in route.places):
                return None
            sentence = self._directory.standings.why_not(hope, until)
            if sentence is None:
                return None
            sentences.append(sentence)
        return CallError("no_instance", sentences[0] if sentences else f"nobody is there for {route.target}")

    def _too_many(self, route: Route, until: float, now: float) -> CallError | None:
        """Why a call is refused at once that would otherwise wait for a free slot."""
        ahead = self._waiting[route.lead]
        busy = [r for r in route.places if r.is_upright and not is_open(r.breaker, now)]
        slots, known = sum(r.slots for r in busy), [r.holding for r in busy if r.holding]
        holding = sum(known) / len(known) if known else 0.0
        if ahead >= route.limit:
            sentence = f'{route.limit} calls wait for "{route.lead}" already: see routing.queue'
            return _overloaded(sentence, (ahead + 1) * holding / slots if slots else 0.0)
        takes = hopeless(ahead, slots, holding, until - now)
        if takes is None:
            return None
        sentence = f'all slots of "{route.lead}" are taken, and {ahead} calls wait for one'
        has = f"it would take about {takes:.2g} s, and this call has {until - now:.2g} s"
        return _overloaded(f"{sentence}: {has}", takes)


def _overloaded(sentence: str, seconds: float) -> CallError:
    return CallError("overloaded", sentence, {"retry_after": round(max(seconds, 1.0), 1)})


def _broken(route: Route, shut: list[Registration], now: float) -> CallError:
    """Whoever could answer keeps failing: with what, and when it is worth another try."""
    first = min(shut, key=lambda registration: opens_at(registration.breaker))
    code = first.trouble.code if first.trouble else "unavailable"
    left = max(opens_at(first.breaker) - now, 0.001)
    if left == math.inf:
        return CallError(code, f"{_why_open(shut)}; one call is trying whether it is well again")
    sentence = f"{_why_open(shut)}; it is given no calls for another {left:.1f} s"
    return CallError(code, sentence, {"retry_after": round(left, 3)})


def _why_open(shut: list[Registration]) -> str:
    first = min(shut, key=lambda registration: opens_at(registration.breaker))
    said = f" ({first.trouble.message})" if first.trouble else ""
    return f'"{first.instance}" failed before{said}'

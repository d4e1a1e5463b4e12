"""Calls are given to instances here, and those that find no free slot wait: first come, first served."""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from gleitzeitd.core.breaker import CLOSED, called_off, is_open, opens_at, probing
from gleitzeitd.core.targets import Target
from gleitzeitd.hub import clock
from gleitzeitd.hub.directory import Directory
from gleitzeitd.hub.prospects import Prospects
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.routes import Route, Routes
from gleitzeitd.hub.wish import Wish

LATE = 0.001
"""Seconds that the loop's timers may be early by, and more."""


class Lane(NamedTuple):
    """What calls have in common that wait in one queue: whoever can take one of them can take all."""

    target: Target
    method: str
    """Where not all who answer have it; else ""."""
    avoided: frozenset[Registration]


class Placed(NamedTuple):
    """Who was given a call."""

    registration: Registration
    model: str
    """The name by which it knows the model that the call is for; "" when it is for none."""


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    number: int
    wish: Wish
    lane: Lane
    lead: str
    placed: asyncio.Future[Placed] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Line:
    """Calls for one target wait in a queue of their own, so that none stands in the way of those that another
    instance can answer. A free slot goes to the oldest of all whom it can serve."""

    def __init__(self, directory: Directory, released: Callable[[Registration], None]) -> None:
        """`released`: a call was taken back from it."""
        self.routes = Routes(directory)
        self._released = released
        self._random = Random()
        self._numbers = itertools.count(1)
        self._prospects = Prospects(directory)
        self._queues: dict[Lane, OrderedDict[int, Waiting]] = {}
        self._waiting: Counter[str] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many calls wait in the name of each provider."""
        return self._waiting

    def queued(self, target: Target) -> int:
        return sum(len(queue) for lane, queue in self._queues.items() if lane.target == target)

    async def place(self, wish: Wish) -> Placed:
        """Who the call was given to: its slot is held at once. Raises CallError when it will be nobody."""
        # Whatever waits has nowhere to go: a free slot is nobody else's.
        route, now = self.routes.to(wish.target), clock.now()
        if registration := self._choose(route, wish, now):
            return self._give(wish, route, registration, now)
        ahead = self._waiting[route.lead]
        error = self._prospects.why_not(route, wish, now)
        if error := error or self._prospects.too_many(route, wish.until, now, ahead):
            raise error
        entry = self._enqueue(wish, route)
        self._look_again_at(self._opens(route, now))
        try:
            return await entry.placed
        except asyncio.CancelledError:
            self._withdraw(entry)
            raise

    def _choose(self, route: Route, wish: Wish, now: float) -> Registration | None:
        return route.choose(wish, now, self._random)

    def _enqueue(self, wish: Wish, route: Route) -> Waiting:
        lane = Lane(wish.target, wish.method if route.is_mixed else "", wish.avoided)
        entry = Waiting(next(self._numbers), wish, lane, route.lead)
        self._queues.setdefault(lane, OrderedDict())[entry.number] = entry
        self._waiting[route.lead] += 1
        return entry

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
            registration.breaker = called_off(registration.breaker)
            self._released(registration)

    def _remove(self, entry: Waiting) -> None:
        queue = self._queues.get(entry.lane)
        if queue is None or queue.pop(entry.number, None) is None:
            return
        if not queue:
            del self._queues[entry.lane]
        self._waiting[entry.lead] -= 1
        if not self._waiting[entry.lead]:
            del self._waiting[entry.lead]

    # What changes.
    def freed(self, registration: Registration) -> None:
        """It may have a free slot: give it to those who have waited longest."""
        while self._queues:
            now = clock.now()
            if not registration.has_room(now) or not self._give_oldest(registration, now):
                return

    def fill(self) -> None:
        """Give every free slot away that somebody waits for."""
        while self._queues and self._give_oldest(None, clock.now()):
            pass

    def _give_oldest(self, by: Registration | None, now: float) -> bool:
        """Whether a call was given to somebody, to `by` if that is named or to a better one for it."""
        oldest: tuple[Waiting, Route, Registration] | None = None
        for (target, *_), queue in self._queues.items():
            # Whose caller left is still in the queue until its task runs.
            entry = next((entry for entry in queue.values() if not entry.placed.done()), None)
            if entry is None:
                continue
            route = self.routes.to(target)
            if (oldest and oldest[0].number < entry.number) or (by and by not in route.places):
                continue
            if registration := self._choose(route, entry.wish, now):
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
        self._reconsider([lane for lane in self._queues if lane.target not in self.routes])

    def renamed(self) -> None:
        """Names mean something else than they did."""
        self.routes.clear()
        self._reconsider([*self._queues])

    def stands(self, provider: str) -> None:
        """How an instance of a provider stands has changed."""
        self._reconsider([lane for lane in self._queues if self.routes.to(lane.target).concerns(provider)])

    def _reconsider(self, lanes: Iterable[Lane]) -> None:
        """Place who can be placed, and send away who would wait in vain."""
        self.fill()
        now = clock.now()
        for lane in lanes:
            # Most changes are of one among several, or for the better: thousands may wait.
            if lane in self._queues and not self._prospects.are_good(self.routes.to(lane.target), now):
                self._send_away(lane, now)
        self._look_again()

    def _send_away(self, lane: Lane, now: float) -> None:
        """Those who would wait in vain."""
        route = self.routes.to(lane.target)
        for entry in [entry for entry in self._queues[lane].values() if not entry.placed.done()]:
            if error := self._prospects.why_not(route, entry.wish, now, was_known=True):
                self._remove(entry)
                entry.placed.set_exception(error)

    def _look_again(self) -> None:
        """Have a timer fill the line as soon as one of those that are kept waiting for may be tried again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = clock.now()
        for target, *_ in self._queues:
            self._look_again_at(self._opens(self.routes.to(target), now))

    def _look_again_at(self, at: float) -> None:
        """At that time, if not before."""
        if at == math.inf or (self._timer is not None and self._timer.when() <= at + LATE):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at + LATE, self._fill_again)

    def _opens(self, route: Route, now: float) -> float:
        shut = (r.breaker for r in route.places if r.breaker is not CLOSED and is_open(r.breaker, now))
        return min((opens_at(breaker) for breaker in shut), default=math.inf)

    def _fill_again(self) -> None:
        self.fill()
        self._look_again()

    def why_late(self, target: Target) -> str:
        """Why nobody could take a call; nothing when those who could were only busy."""
        return self._prospects.why_late(self.routes.to(target), clock.now())

"""What runs, again and again, with what has happened since: for one reader who watches.

Nothing is looked at unless somebody reads: a reader that stops holds up its own next look, and nobody else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Any

import anyio

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control import views
from gleitzeitd.control.names import means, selected
from gleitzeitd.control.views import View
from gleitzeitd.hub.server import Hub
from gleitzeitd.processes.supervisor import Supervisor
from gleitzeitd.processes.usage import Usages

SHORTEST, LONGEST = 0.1, 3600.0
"""Seconds between two looks."""
UNCALLED = {"calls": 0, "errors": 0, "p50": None, "p99": None}
Write = Callable[[dict[str, Any]], Awaitable[None]]


def every_of(given: str) -> float:
    """Seconds between two looks. Raises CallError `invalid_request`."""
    try:
        every = float(given)
    except ValueError:
        every = math.nan
    if SHORTEST <= every <= LONGEST:
        return every
    sentence = f"`every` must be seconds from {SHORTEST:g} to {LONGEST:g}, not {given[:40]!r}"
    raise CallError("invalid_request", sentence)


def used(usages: Usages, pid: int | None) -> dict[str, float | None]:
    """What a process and its descendants use; null where there is none, or it is elsewhere."""
    found = usages.of(pid) if pid is not None else None
    if found is None:
        return {"cpu": None, "memory": None}
    return {"cpu": round(found.cpu, 4), "memory": found.memory}


class Monitor:
    """The looks of one reader, each of which tells what has happened since the one before."""

    def __init__(
        self, supervisor: Supervisor, hub: Hub, daemon: Callable[[float], View], names: Sequence[str]
    ) -> None:
        """`daemon`: what it says of itself at that time; `names`: of providers, instances, or patterns of
        these; without any, all. Raises CallError `not_found.provider`."""
        self._supervisor = supervisor
        self._hub = hub
        self._daemon = daemon
        self._names = names
        self._usages = Usages()
        self._totals: dict[str, int] = {}
        self._passed: float | None = None
        self._at: float | None = None
        if names:
            selected(self._all(anyio.current_time()), names, hub.registry.demand)

    async def send(self, write: Write, every: float) -> None:
        """Until cancelled. The looks that a reader was too slow for are left out."""
        due = anyio.current_time()
        while True:
            await write(self.look(anyio.current_time()))
            due = max(due + every, anyio.current_time())
            await anyio.sleep_until(due)

    def look(self, now: float) -> View:
        """As it is at `now` of the loop's clock."""
        found = self._found(now)
        self._usages.forget_all_but(view["pid"] for view in found)
        self._passed, self._at = None if self._at is None else now - self._at, now
        providers = {view["provider"] for view in found}
        called, waiting = self._called(providers, now), self._hub.registry.waiting()
        uncalled = {**UNCALLED, "rate": None if self._passed is None else 0.0}
        for view in found:
            view |= used(self._usages, view["pid"]) | called.get(view["name"], uncalled)
            view["queue"] = waiting.get(view["provider"], 0)
        daemon = self._daemon(now) | {
            "calls": sum(one["calls"] for one in called.values()),
            "rate": None if self._passed is None else round(sum(one["rate"] for one in called.values()), 2),
            "errors": sum(one["errors"] for one in called.values()),
            "queue": sum(waiting.get(name, 0) for name in providers),
        }
        return {"time": time.time(), "daemon": daemon, "instances": found}

    def _all(self, now: float) -> list[View]:
        return list(views.instances(self._supervisor, self._hub, now))

    def _found(self, now: float) -> list[View]:
        """Nobody where those who were meant have left."""
        found = self._all(now)
        if not self._names:
            return found
        return [
            view for view in found if any(means(name, view["name"], view["provider"]) for name in self._names)
        ]

    def _called(self, providers: Container[str], now: float) -> dict[str, View]:
        """What became of calls, by the instance that had them, or by the provider where nobody did."""
        called: dict[str, View] = {}
        for provider, series in self._hub.meter.series():
            for name, tally in series.tallies.items() if provider in providers else ():
                errors, p50, p99 = tally.recent(now)
                rate = self._rate(tally.calls - self._totals.get(name, 0))
                called[name] = {"calls": tally.calls, "rate": rate, "errors": errors, "p50": p50, "p99": p99}
        self._totals = {name: one["calls"] for name, one in called.items()}
        return called

    def _rate(self, calls: int) -> float | None:
        # What has lost its series and got a new one would have been called less than never.
        return None if self._passed is None else round(max(calls, 0) / max(self._passed, SHORTEST), 2)

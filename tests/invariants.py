"""What must be true of a daemon at every moment, judged from what was seen and what was said. Pure.

I1 at most one life of an instance; I2 at rest nothing of it is left; I3 what is RUNNING is alive; I4 what
is not at rest has a deadline or awaits something; I6 what the daemon takes is bounded. I5 is in kept.py.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sightings import Sighting, Sweep

AT_REST = frozenset({"STOPPED", "EXITED", "FATAL"})
WITH_REASON = frozenset({"WAITING", "FATAL", "LOST"})
PASSING = frozenset({"STARTING", "STOPPING"})
INSISTENCE = 3
"""Reports in a row that must say it before what may be a moment's truth is called false: an answer may
overtake an event that is as old as the question, but not three times."""
MIB = 1024 * 1024
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a daemon may take at most, by the test's word. `rss` in bytes."""

    rss: int = 200 * MIB
    fds: int = 100
    threads: int = 20
    passing: float = 30.0
    """Seconds that one life may be in a state that must pass: its deadlines, and time for slow machines."""


@dataclass(frozen=True, slots=True)
class Told:
    """One instance as `status` tells it."""

    name: str
    state: str
    generation: int
    pid: int | None = None
    reason: str = ""
    next_in: float | None = None

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> Told:
        return cls(**{key: view[key] for key in cls.__dataclass_fields__})

    def __str__(self) -> str:
        reason = f", reason {self.reason!r}" if self.reason else ""
        return f"{self.name} {self.state} at generation {self.generation} with pid {self.pid}{reason}"


@dataclass(frozen=True, slots=True)
class Report:
    """An answer of the daemon `daemon`, asked for and had at two moments of the monotonic clock."""

    daemon: int
    asked: float
    answered: float
    instances: Mapping[str, Told] = field(default_factory=dict)


class Judge:
    """Takes sweeps and reports as they come, and keeps what was wrong, each with its first evidence."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._wrong: dict[object, str] = {}
        self._sweeps: deque[Sweep] = deque(maxlen=1000)
        self._last: Report | None = None
        self._suspected: dict[object, int] = {}
        self._since: dict[tuple[str, int, str], float] = {}
        self.states = defaultdict[str, set[str]](set)
        """Every state in which each instance was ever reported."""
        self.has_seen = False
        """Whether any process of an instance was ever seen."""

    def sweep(self, sweep: Sweep) -> None:
        self._sweeps.append(sweep)
        self.has_seen |= bool(sweep.alive)
        self._check_lives(sweep)
        self._check_vitals(sweep)

    def report(self, report: Report) -> None:
        for told in report.instances.values():
            self.states[told.name].add(told.state)
        last = self._last if self._last and self._last.daemon == report.daemon else None
        suspects = dict(_without_awaiting(report))
        if last:
            between = [s for s in self._sweeps if last.answered < s.began and s.ended < report.asked]
            self._check_rest(last, report, between)
            suspects |= dict(_dead(last, report, between)) | dict(_zombies(between))
        self._insist(suspects)
        self._check_passing(report, is_new=last is None)
        self._sweeps.clear()
        self._last = report

    def verdict(self) -> list[str]:
        """A sentence for each thing that was wrong."""
        shown = list(self._wrong.values())
        more = len(shown) - _MOST_SHOWN
        return [*shown[:_MOST_SHOWN], *([f"and {more} more"] if more > 0 else [])]

    def _accuse(self, what: object, sentence: str) -> None:
        self._wrong.setdefault(what, sentence)

    def _check_lives(self, sweep: Sweep) -> None:
        lives = defaultdict[str, dict[tuple[int, int], list[Sighting]]](dict)
        for one in sweep.alive:
            lives[one.mark.name].setdefault((one.mark.daemon, one.mark.generation), []).append(one)
        for name, generations in lives.items():
            if len(generations) > 1:
                shown = "; ".join(
                    f"generation {generation} of daemon {daemon} as pid {_pids(found)}"
                    for (daemon, generation), found in sorted(generations.items())
                )
                self._accuse(("I1", name), f"I1: {name} lives more than once at a time: {shown}")

    def _check_vitals(self, sweep: Sweep) -> None:
        if sweep.vitals is None:
            return
        for what in ("rss", "fds", "threads"):
            took, may = getattr(sweep.vitals, what), getattr(self._bounds, what)
            if took > may:
                self._accuse(("I6", what), f"I6: the daemon had {what} {took}; the test allows {may}")

    def _check_rest(self, last: Report, report: Report, between: list[Sweep]) -> None:
        for told in _unchanged(last, report):
            if told.state not in AT_REST:
                continue
            left = {one for sweep in between for one in sweep.alive if one.mark.name == told.name}
            if left:
                whose = ", ".join(sorted({f"generation {one.mark.generation}" for one in left}))
                self._accuse(
                    ("I2", told.name, told.generation),
                    f"I2: {told} was reported before and after pid {_pids(left)} of {whose} was seen alive",
                )

    def _insist(self, suspects: Mapping[object, str]) -> None:
        self._suspected = {what: self._suspected.get(what, 0) + 1 for what in suspects}
        for what, times in self._suspected.items():
            if times >= INSISTENCE:
                self._accuse(what, f"{suspects[what]} ({times} reports in a row)")

    def _check_passing(self, report: Report, *, is_new: bool) -> None:
        before = {} if is_new else self._since
        self._since = {
            key: before.get(key, report.asked)
            for told in report.instances.values()
            if told.state in PASSING and (key := (told.name, told.generation, told.state))
        }
        for (name, generation, state), since in self._since.items():
            if report.answered - since > self._bounds.passing:
                self._accuse(
                    ("I4", name, generation, state),
                    f"I4: {name} has been {state} at generation {generation} for "
                    f"{report.answered - since:.1f} s; the test allows {self._bounds.passing:g} s",
                )


def _unchanged(last: Report, report: Report) -> Iterator[Told]:
    """What both say of one life: it was so in all the time between them."""
    for told in report.instances.values():
        before = last.instances.get(told.name)
        if before and (before.state, before.generation, before.pid) == (
            told.state,
            told.generation,
            told.pid,
        ):
            yield told


def _dead(last: Report, report: Report, between: list[Sweep]) -> Iterator[tuple[object, str]]:
    """I3."""
    for told in _unchanged(last, report):
        if told.state == "RUNNING" and between and told.pid not in between[-1].pids:
            yield (
                ("I3", told.name, told.generation),
                f"I3: {told} was reported, but no such process is alive",
            )


def _zombies(between: list[Sweep]) -> Iterator[tuple[object, str]]:
    for identity in between[-1].zombies if between else ():
        yield ("I6", identity), f"I6: the daemon leaves its dead child {identity.pid} unreaped"


def _without_awaiting(report: Report) -> Iterator[tuple[object, str]]:
    """I4, as far as `status` tells what is awaited."""
    for told in report.instances.values():
        what = ("I4", told.name, told.generation, told.state)
        if told.state == "BACKOFF" and told.next_in is None:
            yield what, f"I4: {told} has no time for its next attempt"
        elif told.state == "BACKOFF" and told.next_in is not None and told.next_in <= 0:
            yield what, f"I4: {told} is past the time of its next attempt, and nothing happens"
        elif told.state in WITH_REASON and not told.reason:
            yield what, f"I4: {told} does not say why"


def _pids(found: set[Sighting] | list[Sighting]) -> str:
    return ", ".join(str(pid) for pid in sorted({one.identity.pid for one in found}))

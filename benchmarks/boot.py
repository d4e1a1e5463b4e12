"""A hundred trivial children: how soon all of them run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import house, sleepers
from benchmarks.peers import Supervisord
from benchmarks.stats import Goal, Line, Plan, Row, of
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord)
CHILDREN = 100
GOAL = Goal(1.0, "faster")


def measure(plan: Plan) -> Iterator[Row]:
    for turn in plan.turns(full=3):
        for kind in KINDS:
            if plan.wants(kind.name):
                with house(kind, sleepers(CHILDREN)) as it:
                    last = max(birth.ns for birth in it.born.values())
                yield {"name": kind.name, "round": turn, "ms": (last - it.began) / 1e6}


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, theirs = of(rows, Gleitzeit.name, "ms"), of(rows, Supervisord.name, "ms")
    return [Line("boot of 100 children", "ms", ours, Supervisord.name, theirs, GOAL)]

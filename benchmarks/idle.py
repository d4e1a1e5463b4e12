"""What a supervisor of a hundred children holds and uses while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import House, house, sleepers
from benchmarks.peers import Circus, Supervisord
from benchmarks.pm2 import Pm2
from benchmarks.proc import usage
from benchmarks.stats import Goal, Line, Plan, Row, of
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord, Circus, Pm2)
CHILDREN = 100
REST = 5.0

FIGURES = (
    ("idle CPU with 100 children, a minute", "ms", "cpu_ms", Goal(1.0, "no more")),
    ("idle context switches with 100 children", "/s", "switches_per_s", Goal(1.0, "no more")),
    ("memory with 100 children, PSS", "MB", "pss_mb", Goal(3.0, "at most 3 times")),
    ("memory with 100 children, RSS", "MB", "rss_mb", Goal(3.0, "at most 3 times")),
)


def measure(plan: Plan) -> Iterator[Row]:
    for turn in plan.turns(full=3):
        for kind in KINDS:
            if plan.wants(kind.name):
                with house(kind, sleepers(CHILDREN)) as it:
                    found = rest(it, plan.size(full=30, quick=5))
                yield {"name": kind.name, "round": turn} | found


def rest(it: House, seconds: int) -> Row:
    time.sleep(REST)
    before, began = usage(it.supervisor.roots()), time.monotonic()
    time.sleep(seconds)
    after, took = usage(it.supervisor.roots()), time.monotonic() - began
    return {
        "processes": after.processes,
        "rss_mb": after.rss_mb,
        "pss_mb": after.pss_mb,
        "cpu_ms": (after.cpu_s - before.cpu_s) * 1000 / took * 60,
        "switches_per_s": (after.switches - before.switches) / took,
    }


def lines(rows: Sequence[Row]) -> list[Line]:
    return [
        Line(metric, unit, of(rows, Gleitzeit.name, key), peer.name, of(rows, peer.name, key), goal)
        for metric, unit, key, goal in FIGURES
        for peer in KINDS[1:]
    ]

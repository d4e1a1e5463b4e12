"""A hundred trivial children: how soon all of them run, and what the supervisor then holds and uses."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.peers import Supervisord
from benchmarks.proc import usage
from benchmarks.stats import Goal, Line, Plan, Row, of
from benchmarks.supervisor import House, Supervisor, house

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord)
CHILDREN = 100
MEMORY_AFTER = 2.5
REST = 3.0

FIGURES = (
    ("boot of 100 children", "ms", "ms", Goal(1.0, "faster")),
    ("memory with 100 children, PSS", "MB", "pss_mb", Goal(3.0, "at most 3 times")),
    ("memory with 100 children, RSS", "MB", "rss_mb", Goal(3.0, "at most 3 times")),
    ("idle CPU with 100 children, a minute", "ms", "idle_ms", Goal(1.0, "no more")),
)


def measure(plan: Plan) -> Iterator[Row]:
    for turn in plan.turns(full=3):
        for kind in KINDS:
            if plan.wants(kind.name):
                with house(kind, CHILDREN) as it:
                    figures = cost(it, plan.size(full=30, quick=5))
                yield {"name": kind.name, "round": turn} | figures


def cost(it: House, idle: int) -> Row:
    last = max(birth.ns for birth in it.born.values())
    time.sleep(MEMORY_AFTER)
    early = usage(it.supervisor.roots())
    time.sleep(REST)
    before, began = usage(it.supervisor.roots()), time.monotonic()
    time.sleep(idle)
    after, minutes = usage(it.supervisor.roots()), (time.monotonic() - began) / 60
    return {
        "ms": (last - it.began) / 1e6,
        "processes": early.processes,
        "rss_mb": early.rss_mb,
        "pss_mb": early.pss_mb,
        "cpu_s": early.cpu_s,
        "idle_ms": (after.cpu_s - before.cpu_s) * 1000 / minutes,
        "switches_per_s": (after.switches - before.switches) / minutes / 60,
    }


def lines(rows: Sequence[Row]) -> list[Line]:
    peer = Supervisord.name
    return [
        Line(metric, unit, of(rows, Gleitzeit.name, key), peer, of(rows, peer, key), goal)
        for metric, unit, key, goal in FIGURES
    ]

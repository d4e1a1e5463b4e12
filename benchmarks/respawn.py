"""SIGKILL -> the first instruction of the successor.

Every child is killed once: what counts is a supervisor's answer to the first crash, before any backoff.
Kills fall evenly over the period of those that poll.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

from benchmarks.deaths import kill_tick
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import SETTLE, House, house, sleepers
from benchmarks.peers import Circus, Supervisord
from benchmarks.pm2 import Pm2
from benchmarks.stats import Goal, Line, Plan, Row, of, percentile
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord, Circus, Pm2)
GOALS = {
    "pm2": Goal(1.0, "no slower"),
    "supervisord": Goal(1 / 200, "200 times quicker"),
}
DEADLINE = 30.0


def measure(plan: Plan) -> Iterator[Row]:
    for turn in plan.turns(full=5):
        for kind in KINDS:
            if plan.wants(kind.name):
                with house(kind, sleepers(plan.size(full=10, quick=5))) as it:
                    took = respawns(it)
                yield {"name": kind.name, "round": turn, "ms": took}


def respawns(it: House) -> list[float]:
    """Milliseconds from each child's death to its successor's first instruction."""
    time.sleep(SETTLE)
    found = []
    for name, birth in it.born.items():
        time.sleep(random.uniform(0.02, it.supervisor.period))
        killed = time.monotonic_ns()
        kill_tick(birth.pid)
        successor = it.births.wait([name], DEADLINE, since=killed).get(name)
        if not successor:
            raise SystemExit(f"{it.supervisor.name} has not started {name} again\n{it.supervisor.said()}")
        found.append((successor.ns - killed) / 1e6)
    return found


def lines(rows: Sequence[Row]) -> list[Line]:
    middle, slowest = of(rows, Gleitzeit.name, "ms"), slow(rows, Gleitzeit.name)
    peers = [kind.name for kind in KINDS[1:]]
    return [
        *(Line("respawn, p50", "ms", middle, peer, of(rows, peer, "ms"), GOALS.get(peer)) for peer in peers),
        Line("respawn, p95", "ms", slowest, Pm2.name, slow(rows, Pm2.name)),
    ]


def slow(rows: Sequence[Row], name: str) -> float | None:
    values = [ms for row in rows if row["name"] == name for ms in row["ms"]]
    return percentile(values, 0.95) if values else None

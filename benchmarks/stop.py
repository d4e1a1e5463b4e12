"""How soon nothing is left: of a hundred children that end at once, and of one that will not end.

The latter ignores SIGTERM, as does its child in a session of its own; all give it one second of grace.
Every daemon is ended by SIGTERM to itself, pm2's too, whose users would start Node to ask it; the stop
command is measured as users give it, with the start of whatever it is written in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.deaths import kill_tick, watched
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import SETTLE, House, house, sleepers
from benchmarks.peers import Circus, Supervisord
from benchmarks.pm2 import Pm2
from benchmarks.stats import Goal, Limit, Line, Plan, Row, most, of
from benchmarks.supervisor import Settings, Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord, Circus, Pm2)
CHILDREN = 100
GRACE = 1
DEADLINE = 30.0
STUBBORN = {"stubborn": ["stubborn"]}
GRANDCHILD = "stubborn-grandchild"
LINGERS = 5.0
"""Seconds after its leader within which a grandchild has to be gone."""

FIGURES = (
    ("end of the daemon, 100 children gone", "end_ms", Limit(50)),
    ("stop command, 100 children gone", "command_ms", Goal(1.0, "no slower")),
    ("end of a stubborn child, beyond its grace", "beyond_ms", Limit(500)),
)
UNLIKE = {("end_ms", Pm2.name)}
"""pm2 ends a hundred children in 11 s when its daemon is signalled, and in 1.4 s when Node asks it."""


def measure(plan: Plan) -> Iterator[Row]:
    for turn in plan.turns(full=3):
        for kind in KINDS:
            if plan.wants(kind.name):
                row: Row = {"name": kind.name, "round": turn}
                with house(kind, sleepers(CHILDREN)) as it:
                    row["end_ms"] = gone_after(it, it.supervisor.end)
                with house(kind, sleepers(CHILDREN)) as it:
                    row["command_ms"] = gone_after_command(it)
                with house(kind, STUBBORN, Settings(grace=GRACE)) as it:
                    row |= outlast(it)
                yield row


def gone_after(it: House, ask: Callable[[], object]) -> float:
    """Milliseconds from the asking to the end of the last child."""
    time.sleep(SETTLE)
    with watched(birth.pid for birth in it.born.values()) as deaths:
        began = time.monotonic_ns()
        ask()
        if not deaths.wait(DEADLINE):
            raise SystemExit(f"{it.supervisor.name} has not stopped its children\n{it.supervisor.said()}")
        return ms_since(began)


def gone_after_command(it: House) -> float:
    commands = []
    took = gone_after(it, lambda: commands.append(it.supervisor.spawn(it.supervisor.stop_command())))
    commands[0].wait(DEADLINE)
    return took


def outlast(it: House) -> Row:
    """What a stubborn child takes beyond its grace, and how many processes remain of it."""
    born = it.births.wait([GRANDCHILD], DEADLINE)
    if not born:
        raise SystemExit("the stubborn child has no child of its own")
    with watched([born[GRANDCHILD].pid]) as deaths:
        took = gone_after(it, it.supervisor.end)
        began = time.monotonic_ns()
        if is_gone := deaths.wait(LINGERS):
            took += ms_since(began)
    kill_tick(born[GRANDCHILD].pid)
    return {"beyond_ms": took - GRACE * 1000, "left": 0 if is_gone else 1}


def ms_since(ns: int) -> float:
    return (time.monotonic_ns() - ns) / 1e6


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, peers = Gleitzeit.name, [kind.name for kind in KINDS[1:]]
    left = {name: most(rows, [name], "left") for name in (ours, *peers)}
    return [
        *(
            Line(metric, "ms", of(rows, ours, key), peer, of(rows, peer, key), goal)
            for metric, key, goal in FIGURES
            for peer in peers
            if (key, peer) not in UNLIKE
        ),
        *(Line("processes that it leaves", "", left[ours], peer, left[peer], Limit(0)) for peer in peers),
    ]

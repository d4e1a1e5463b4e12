"""Kills at a steady rate all over fifty children: SIGKILL -> the first instruction of the successor.

Everyone starts again as soon as it can and without a limit. The child that has lived longest is the next; a
kill for which none lives is left out, so that who is slow is spared: the rate that was really achieved stands
beside. Who never comes back has taken for ever, and counts so in p50 and p99.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from math import inf

from benchmarks.births import Birth
from benchmarks.deaths import kill_tick
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import SETTLE, House, house, sleepers
from benchmarks.peers import Circus, Supervisord
from benchmarks.pm2 import Pm2
from benchmarks.stats import Goal, Limit, Line, Plan, Row, most, of, percentile
from benchmarks.supervisor import Settings, Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord, Circus, Pm2)
CHILDREN = 50
RATE = 100
DEADLINE = 30.0
FIGURES = (("respawn in a storm, p50", "p50_ms"), ("respawn in a storm, p99", "p99_ms"))
REACHED = (("kills that the storm achieved", "/s", "kills_per_s"), ("kills left out of it", "", "left_out"))
GOAL = Goal(1.0, "no slower")


def measure(plan: Plan) -> Iterator[Row]:
    for turn in plan.turns(full=3):
        for kind in KINDS:
            if plan.wants(kind.name):
                with house(kind, sleepers(CHILDREN), Settings(prompt=True)) as it:
                    time.sleep(SETTLE)
                    storm = Storm(it)
                    storm.rage(plan.size(full=10, quick=3))
                yield {"name": kind.name, "round": turn} | storm.figures()


class Storm:
    """The kills, and what came of each."""

    def __init__(self, it: House) -> None:
        self.births = it.births
        self.living = dict(it.born)
        """By the time that they have lived."""
        self.killed: dict[str, int] = {}
        """When each was killed whose successor is not born."""
        self.took: list[float] = []
        self.left_out = 0
        self.seconds = 0.0
        """How long it was killed for."""

    def rage(self, seconds: int) -> None:
        began = time.monotonic()
        for number in range(seconds * RATE):
            self.listen(began + number / RATE)
            self.strike()
        self.seconds = time.monotonic() - began
        deadline = time.monotonic() + DEADLINE
        while self.killed and time.monotonic() < deadline:
            self.listen(time.monotonic() + 0.1)

    def strike(self) -> None:
        if not self.living:
            self.left_out += 1
            return
        name = next(iter(self.living))
        pid = self.living.pop(name).pid
        self.killed[name] = time.monotonic_ns()
        kill_tick(pid)

    def listen(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            for birth in self.births.read(left):
                self.hear(birth)

    def hear(self, birth: Birth) -> None:
        if killed := self.killed.pop(birth.name, None):
            self.took.append((birth.ns - killed) / 1e6)
        self.living[birth.name] = birth

    def figures(self) -> Row:
        took = [*self.took, *(inf for _ in self.killed)]
        return {
            "p50_ms": percentile(took, 0.5) if took else None,
            "p99_ms": percentile(took, 0.99) if took else None,
            "kills": len(took),
            "kills_per_s": len(took) / self.seconds if self.seconds else None,
            "left_out": self.left_out,
            "never": len(self.killed),
        }


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, peers = Gleitzeit.name, [kind.name for kind in KINDS[1:]]
    never = most(rows, [ours], "never"), "the most of a peer", most(rows, peers, "never")
    return [
        *(
            Line(metric, "ms", of(rows, ours, key), peer, of(rows, peer, key), GOAL)
            for metric, key in FIGURES
            for peer in peers
        ),
        *(
            Line(metric, unit, of(rows, ours, key), peer, of(rows, peer, key))
            for metric, unit, key in REACHED
            for peer in peers
        ),
        Line("killed in a storm and never back", "", *never, Limit(0)),
    ]

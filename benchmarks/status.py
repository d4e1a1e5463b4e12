"""The status command as a whole process, from its start to its end, with ten children."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import SETTLE, house, sleepers
from benchmarks.peers import Supervisord
from benchmarks.stats import Goal, Line, Plan, Row, of
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord)
CHILDREN = 10
GOAL = Goal(1.0, "no slower")


def measure(plan: Plan) -> Iterator[Row]:
    with ExitStack() as stack:
        wanted = [kind for kind in KINDS if plan.wants(kind.name)]
        supervisors = [stack.enter_context(house(kind, sleepers(CHILDREN))).supervisor for kind in wanted]
        time.sleep(SETTLE)
        for supervisor in supervisors:
            wall_ms(supervisor)  # the first one compiles and warms the disk's cache
        took: Row = {supervisor.name: [] for supervisor in supervisors}
        for _ in plan.turns(full=60, quick=10):
            for supervisor in supervisors:
                took[supervisor.name].append(wall_ms(supervisor))
    for name, ms in took.items():
        yield {"name": name, "ms": ms}


def wall_ms(supervisor: Supervisor) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        supervisor.status_command(),
        env=supervisor.env(),
        cwd=supervisor.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    took = (time.perf_counter() - began) * 1000
    if done.returncode or done.stdout.count("RUNNING") < CHILDREN:
        raise SystemExit(
            f"{supervisor.name}'s status does not show {CHILDREN} children: {done.stdout}{done.stderr}"
        )
    return took


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, theirs = of(rows, Gleitzeit.name, "ms"), of(rows, Supervisord.name, "ms")
    return [Line("status command, 10 children", "ms", ours, "supervisorctl", theirs, GOAL)]

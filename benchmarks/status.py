"""The status command as a whole process, from its start to its end, with ten children; help; and a TAB."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from resource import RUSAGE_CHILDREN, getrusage

from benchmarks.gleitzeit import Gleitzeit, script
from benchmarks.house import SETTLE, house, sleepers
from benchmarks.peers import Circus, Supervisord
from benchmarks.pm2 import Pm2
from benchmarks.stats import Goal, Limit, Line, Plan, Row, of
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord, Pm2, Circus)
COMMANDS = {"supervisord": "supervisorctl status", "pm2": "pm2 ls", "circus": "circusctl status"}
RUNS = {"pm2": "online", "circus": "active"}
"""What the others call a child that runs."""

CHILDREN = 10
FASTER = Goal(1.0, "faster")
HELP, TAB, PYTHON = "--help", "TAB", "Python alone"
GOALS = {HELP: Limit(120), TAB: Limit(150)}
METRICS = {HELP: "gleitzeitctl --help", TAB: "a TAB for the name of a running provider"}


def measure(plan: Plan) -> Iterator[Row]:
    with ExitStack() as stack:
        wanted = [kind for kind in KINDS if plan.wants(kind.name)]
        supervisors = [stack.enter_context(house(kind, sleepers(CHILDREN))).supervisor for kind in wanted]
        time.sleep(SETTLE)
        took: Row = {}
        for turn in [None, *plan.turns(full=60, quick=10)]:
            for name, (wall, cpu) in _each(supervisors):
                if turn is not None:  # the first one compiles and warms the disk's cache
                    row = took.setdefault(name, {"ms": [], "cpu_ms": []})
                    row["ms"].append(wall)
                    row["cpu_ms"].append(cpu)
    for name, row in took.items():
        yield {"name": name, **row}


def _each(supervisors: Sequence[Supervisor]) -> Iterator[tuple[str, tuple[float, float]]]:
    for supervisor in supervisors:
        shown = supervisor.status_command()
        yield supervisor.name, ms(supervisor, shown, RUNS.get(supervisor.name, "RUNNING"), CHILDREN)
        if supervisor.name == Gleitzeit.name:
            ours = str(script("gleitzeitctl"))
            line = f"gleitzeitctl --socket {supervisor.home}/gleitzeitd.sock why "
            asked = {"_GLEITZEITCTL_COMPLETE": "bash"}
            yield HELP, ms(supervisor, [ours, "--help"], "Usage", 1)
            yield TAB, ms(supervisor, [ours, line], "\n", CHILDREN, asked)
            yield PYTHON, ms(supervisor, [sys.executable, "-c", "pass"], "", 0)


def ms(
    supervisor: Supervisor, command: Sequence[str], word: str, times: int, more: dict[str, str] | None = None
) -> tuple[float, float]:
    """By the clock, and of a processor. It must print `word` at least so many `times`."""
    began, used = time.perf_counter(), _cpu()
    done = subprocess.run(
        command,
        env={**supervisor.env(), **(more or {})},
        cwd=supervisor.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    took = (time.perf_counter() - began) * 1000, (_cpu() - used) * 1000
    if done.returncode or done.stdout.count(word) < times:
        raise SystemExit(f"{command} does not show {CHILDREN} children: {done.stdout}{done.stderr}")
    return took


def _cpu() -> float:
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def lines(rows: Sequence[Row]) -> list[Line]:
    ours = of(rows, Gleitzeit.name, "ms")
    metric = f"status command, {CHILDREN} children"
    beside = [Line(metric, "ms", ours, COMMANDS[name], of(rows, name, "ms"), FASTER) for name in COMMANDS]
    alone = of(rows, PYTHON, "ms")
    return [
        *beside,
        *(Line(METRICS[name], "ms", of(rows, name, "ms"), PYTHON, alone, GOALS[name]) for name in GOALS),
    ]

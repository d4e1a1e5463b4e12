"""Looking into a log of 1 GiB, as whole processes: its end, what is newer than a time, and a search.

Beside what is used without us: tail and grep on the same file. `status` is what any command costs; the end of
a log and a time must cost no more, however long the log is. Where we measure there is no journal of systemd.
"""

from __future__ import annotations

import datetime
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import SETTLE, house
from benchmarks.stats import Goal, Line, Plan, Row, of
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit,)
NAME = "c0"
GIB = 1024**3
RARE = "the disk is full"
EVERY = 1_000_003
"""Lines from one that has the rare text to the next."""
LAST = 100
LINES_A_SECOND = 200
STATUS, END, TAIL, SINCE, SEARCH, GREP = (
    "status",
    "logs -n 100",
    "tail -n 100",
    "logs --since",
    "logs --grep",
    "grep",
)


def measure(plan: Plan) -> Iterator[Row]:
    with house(Gleitzeit, {NAME: ()}) as it:
        supervisor = it.supervisor
        time.sleep(SETTLE)
        path = supervisor.log(NAME)
        old = path.with_name(f"{path.name}.1")
        began = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        ended, rare = written(old, plan.size(full=GIB, quick=GIB // 16), began)
        since = (ended - datetime.timedelta(seconds=1)).isoformat()
        ours = [*supervisor.status_command()[:-1], "logs", NAME]
        commands = {
            STATUS: (supervisor.status_command(), 2),
            END: ([*ours, "-n", str(LAST)], LAST),
            TAIL: (["tail", "-n", str(LAST), str(old)], LAST),
            SINCE: ([*ours, "--since", since], LINES_A_SECOND),
            SEARCH: ([*ours, "--grep", RARE], rare),
            GREP: (["grep", RARE, str(old)], rare),
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for turn in [None, *plan.turns(full=20, quick=3)]:
            for name, (command, least) in commands.items():
                ms = run(command, supervisor.env(), least)
                if turn is not None:  # the first reads the file into the memory of the system
                    took[name].append(ms)
    for name, each in took.items():
        yield {"name": name, "ms": each}


def written(path: Path, size: int, when: datetime.datetime) -> tuple[datetime.datetime, int]:
    """Fill a log: the time of its last line, and how many lines of it have the rare text."""
    step = datetime.timedelta(microseconds=1_000_000 // LINES_A_SECOND)
    rare = 0
    with path.open("wb") as file:
        for number in count(1):
            when += step
            is_rare = number % EVERY == EVERY // 20
            rare += is_rare
            text = RARE if is_rare else f"took {number * 7919 % 977:03} ms"
            line = f"request {number:09} for user {number % 99991:05} {text}"
            file.write(f"{stamp(when)} stdout F {line}\n".encode())
            if number % 10_000 == 0 and file.tell() >= size:
                break
    return when, rare


def stamp(when: datetime.datetime) -> str:
    return when.isoformat(timespec="microseconds").replace("+00:00", "000Z")


def run(command: Sequence[str], env: Mapping[str, str], least: int) -> float:
    """Milliseconds by the clock. It must print so many lines at least."""
    began = time.perf_counter()
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    took = (time.perf_counter() - began) * 1000
    if done.returncode or done.stdout.count(b"\n") < least:
        raise SystemExit(f"{command} printed {done.stdout[-500:]!r} {done.stderr.decode()}")
    return took


def lines(rows: Sequence[Row]) -> list[Line]:
    beside = (
        ("the last 100 lines of a log of 1 GiB", END, STATUS, Goal(1.2, "does not depend on its size")),
        ("the last 100 lines of a log of 1 GiB", END, TAIL, None),
        ("the last second of a log of 1 GiB", SINCE, STATUS, Goal(1.2, "does not depend on its size")),
        ("a rare text in a log of 1 GiB", SEARCH, GREP, Goal(3.0, "the speed of memory")),
    )
    return [
        Line(metric, "ms", of(rows, ours, "ms"), peer, of(rows, peer, "ms"), goal)
        for metric, ours, peer, goal in beside
    ]

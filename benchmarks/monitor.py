"""What it costs to watch a hundred children, of the daemon and of the view, each second; beside top."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.ending import ending
from benchmarks.gleitzeit import Gleitzeit, script
from benchmarks.house import SETTLE, house, sleepers
from benchmarks.proc import cpu_ns
from benchmarks.stats import Limit, Line, Plan, Row, of
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit,)
CHILDREN = 100
ROWS, COLUMNS = 24, 80
WARM = 3.0
"""Seconds in which a view begins; that is not what watching costs."""
TOP = ("top", "-d", "1")
LIMIT = Limit(2.0)


def measure(plan: Plan) -> Iterator[Row]:
    seconds = plan.size(full=30, quick=5)
    for turn in plan.turns(full=3):
        with house(Gleitzeit, sleepers(CHILDREN)) as it:
            supervisor = it.supervisor
            time.sleep(SETTLE)
            command = [str(script("gleitzeitctl")), "--socket", str(supervisor.home / "gleitzeitd.sock")]
            daemon, view = share([*command, "monitor"], supervisor.env(), supervisor.roots(), seconds)
            _, top = share(TOP, supervisor.env(), [], seconds)
        yield {"name": Gleitzeit.name, "round": turn, "daemon": daemon, "view": view, "both": daemon + view}
        yield {"name": "top", "round": turn, "both": top}


def share(
    command: Sequence[str], env: Mapping[str, str], beside: Sequence[int], seconds: float
) -> tuple[float, float]:
    """Percent of a processor that the processes `beside`, and what is seen at a terminal, are busy."""
    with seen(command, env) as (process, master):
        drain(master, WARM)
        before, began = (sum(map(cpu_ns, beside)), cpu_ns(process.pid)), time.monotonic_ns()
        drain(master, seconds)
        after, took = (sum(map(cpu_ns, beside)), cpu_ns(process.pid)), time.monotonic_ns() - began
        if process.poll() is not None:
            raise SystemExit(f"{command[0]} has ended with {process.returncode}")
    other, own = ((later - earlier) / took * 100 for earlier, later in zip(before, after, strict=True))
    return other, own


@contextmanager
def seen(command: Sequence[str], env: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A program at a terminal, and the descriptor at which it is read."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    kind = {**env, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=kind, start_new_session=True
    )
    os.close(slave)
    try:
        yield process, master
    finally:
        with ending.waits():
            os.close(master)
            process.terminate()
            process.wait(10)


def drain(master: int, seconds: float) -> None:
    """Read what is drawn, so that the program need not wait."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([master], [], [], left)[0]:
            os.read(master, 64 * 1024)


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, theirs = of(rows, Gleitzeit.name, "both"), of(rows, "top", "both")
    return [
        Line("a live view of 100 children, daemon and client, one CPU", "%", ours, "top -d 1", theirs, LIMIT)
    ]

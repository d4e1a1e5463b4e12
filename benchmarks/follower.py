"""What a reader costs the supervisor that follows a flood and then stands still: memory with and without it.

The most that is resident in the first half of a flood, without the reader, is compared with the most in its
second half, with it: it is the same process, and what it grew to before is not the reader's doing.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks import flood
from benchmarks.ending import ending
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import House, house
from benchmarks.peers import Supervisord
from benchmarks.pm2 import Pm2
from benchmarks.proc import usage
from benchmarks.stats import Limit, Line, Plan, Row, of
from benchmarks.supervisor import Settings, Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord, Pm2)
RATE = 20_000_000
CHUNK = 64 * 1024
FOLLOWS = 64 * 1024
"""Bytes after which a reader shows what is printed now: more than any shows of the past."""
DEADLINE = 15.0
BETWEEN = 0.05
SLOWEST = 1_000_000


def measure(plan: Plan) -> Iterator[Row]:
    size = RATE * plan.size(full=20, quick=4)
    for turn in plan.turns(full=3):
        for kind in KINDS:
            if plan.wants(kind.name):
                orders = flood.orders(size, CHUNK, RATE)
                with house(kind, orders, Settings(keep_logs=True)) as it:
                    row = most_resident(it, size)
                    it.supervisor.stop()
                    kept = flood.account(it.supervisor.log(flood.NAME), size)
                yield {"name": kind.name, "round": turn} | row | kept._asdict()


def most_resident(it: House, size: int) -> Row:
    """The most memory, in MB, that the supervisor holds during a flood before and after a reader comes."""
    began = flood.begin(it)
    alone = watch_until(it, time.monotonic() + size / RATE / 2)
    with follower(it):
        followed = watch(it, began, size)
    return {"without_mb": alone, "with_mb": followed, "more_mb": followed - alone}


def watch_until(it: House, moment: float) -> float:
    most = 0.0
    while time.monotonic() < moment:
        most = max(most, usage(it.supervisor.roots()).rss_mb)
        time.sleep(BETWEEN)
    return most


def watch(it: House, began: int, size: int) -> float:
    deadline, most = time.monotonic() + size / SLOWEST, 0.0
    while time.monotonic() < deadline:
        most = max(most, usage(it.supervisor.roots()).rss_mb)
        if it.births.wait([f"{flood.NAME}-done"], BETWEEN, since=began):
            flood.kept(it, size, DEADLINE)
            return most
    raise SystemExit(f"{it.supervisor.name} holds up what is printed\n{it.supervisor.said()}")


@contextmanager
def follower(it: House) -> Iterator[None]:
    """A reader that shows what is printed, and then is stopped as by Ctrl-Z."""
    command = it.supervisor.follow_command(flood.NAME)
    assert command, f"{it.supervisor.name} has no command that follows"
    reader = it.supervisor.spawn(command, subprocess.PIPE)
    try:
        take(reader, FOLLOWS)
        reader.send_signal(signal.SIGSTOP)
        yield
    finally:
        with ending.waits():
            reader.kill()
            reader.wait()
            if reader.stdout:
                reader.stdout.close()


def take(reader: subprocess.Popen[bytes], size: int) -> None:
    """Read so much of what it shows."""
    assert reader.stdout
    out, deadline = reader.stdout.fileno(), time.monotonic() + DEADLINE
    while size > 0:
        left = max(0.0, deadline - time.monotonic())
        piece = os.read(out, size) if select.select([out], [], [], left)[0] else b""
        if not piece:
            raise SystemExit(f"{reader.args!r} does not show what is printed")
        size -= len(piece)


def lines(rows: Sequence[Row]) -> list[Line]:
    metric, key = "memory for a stopped follower, RSS", "more_mb"
    return [
        Line(metric, "MB", of(rows, Gleitzeit.name, key), peer.name, of(rows, peer.name, key), Limit(2))
        for peer in KINDS[1:]
    ]

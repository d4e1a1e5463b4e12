"""One child prints as fast as it can: how soon it is all in the files, and does `status` answer meanwhile.

Who rotates files does. Ours stamps each line with its time; the peers are left without stamps. The clock
stops when the last line is in the file: what ours still compresses then is not in its time. Only ours and
supervisord are asked for their status, for the others have a command alone, whose start would be measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event

from benchmarks import flood
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import House, house
from benchmarks.peers import Circus, Supervisord
from benchmarks.pm2 import Pm2
from benchmarks.stats import Goal, Limit, Line, Plan, Row, most, of
from benchmarks.supervisor import Settings, Supervisor

KINDS: tuple[type[Supervisor], ...] = (Gleitzeit, Supervisord, Circus, Pm2)
CHUNKS = {"blocks": 64 * 1024, "lines": flood.LINE}
MB = 1_000_000
SLOWEST = 1 * MB
"""Bytes a second below which it is given up."""
BETWEEN = 0.1
"""Seconds between two questions: asking is not to be what keeps the supervisor busy."""

FIGURES = (
    ("log intake, 64 KiB a write", "blocks_mb_per_s"),
    ("log intake, a line a write", "lines_mb_per_s"),
)
FASTER = Goal(1.0, "faster than who touches lines", at_least=True)
GOALS = {
    "supervisord": Goal(0.5, "half of who only moves bytes", at_least=True),
    "circus": FASTER,
    "pm2": FASTER,
}


def measure(plan: Plan) -> Iterator[Row]:
    size = plan.size(full=300, quick=30) * MB
    for turn in plan.turns(full=3):
        for kind in KINDS:
            if plan.wants(kind.name):
                row: Row = {"name": kind.name, "round": turn, "lost": 0, "doubled": 0, "status_ms": None}
                for way, chunk in CHUNKS.items():
                    with house(kind, flood.orders(size, chunk), Settings(keep_logs=True)) as it:
                        take_in(it, size, way, row)
                yield row


def take_in(it: House, size: int, way: str, row: Row) -> None:
    it.supervisor.ask_status()  # the first one warms its caches
    with asking(it.supervisor) as took:
        began = flood.begin(it)
        ended = flood.kept(it, size, timeout=size / SLOWEST)
    it.supervisor.stop()
    row[f"{way}_mb_per_s"] = size / MB / ((ended - began) / 1e9)
    for what, count in flood.account(it.supervisor.log(flood.NAME), size)._asdict().items():
        row[what] += count
    row["status_ms"] = max([*took, row["status_ms"] or 0]) or None


@contextmanager
def asking(supervisor: Supervisor) -> Iterator[list[float]]:
    """Ask for its status all the while; how many milliseconds each answer took."""
    took: list[float] = []
    over = Event()

    def ask() -> None:
        while not over.is_set():
            began = time.perf_counter()
            if not supervisor.ask_status():
                return
            took.append((time.perf_counter() - began) * 1000)
            over.wait(BETWEEN)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield took
        finally:
            over.set()
        asked.result()


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, peers = Gleitzeit.name, [kind.name for kind in KINDS[1:]]
    peer = Supervisord.name
    status = most(rows, [ours], "status_ms"), peer, most(rows, [peer], "status_ms")
    return [
        *(
            Line(metric, "MB/s", of(rows, ours, key), peer, of(rows, peer, key), GOALS[peer])
            for metric, key in FIGURES
            for peer in peers
        ),
        Line("slowest status answer meanwhile", "ms", *status, Limit(100)),
        *(
            Line(
                f"{what} at log intake",
                "B",
                most(rows, [ours], what),
                "the most of a peer",
                most(rows, peers, what),
                Limit(0),
            )
            for what in flood.Account._fields
        ),
    ]

"""What the hub holds for a provider that is connected and not called: ours beside bare python-socketio's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.proc import usage
from benchmarks.programs import Program, program, ready, said, serving, work
from benchmarks.server import Server
from benchmarks.stats import Line, Plan, Row, of

KINDS: tuple[type[Server], ...] = (Gleitzeit,)
BARE = "python-socketio"
FIRST = 50
"""Connections that are there before the first look: what is used for the first time is loaded then."""
REST = 1.0


class Crowd(NamedTuple):
    hub: list[int]
    members: Program


def measure(plan: Plan) -> Iterator[Row]:
    count = plan.size(full=500, quick=100)
    for turn in plan.turns(full=3):
        for name, way in WAYS.items():
            if plan.wants(name):
                with way() as crowd:
                    work(crowd.members, "join", FIRST)
                    before = rss_kb(crowd)
                    work(crowd.members, "join", count)
                    yield {"name": name, "round": turn, "kb": (rss_kb(crowd) - before) / count}


def rss_kb(crowd: Crowd) -> float:
    time.sleep(REST)
    return usage(crowd.hub).rss_mb * 1024


@contextmanager
def ours() -> Iterator[Crowd]:
    with serving({}) as daemon:
        token = daemon.token.read_text().strip()
        with ready("members", kind="gz", url=daemon.url, token=token) as members:
            yield Crowd(daemon.roots(), members)


@contextmanager
def bare() -> Iterator[Crowd]:
    with program("bare", "hub") as hub:
        url = f"http://127.0.0.1:{said(hub)}"
        with ready("members", kind="bare", url=url, token="") as members:
            yield Crowd([hub.pid], members)


WAYS: dict[str, Callable[[], AbstractContextManager[Crowd]]] = {Gleitzeit.name: ours, BARE: bare}


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, bare = of(rows, Gleitzeit.name, "kb"), of(rows, BARE, "kb")
    return [Line("memory of an idle provider's connection", "KB", ours, f"bare {BARE}", bare)]

"""Caller -> hub -> provider and back: our daemon beside bare python-socketio doing the same two hops.

Three processes each, WebSocket over loopback, about 140 bytes a call.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from benchmarks.gleitzeit import Gleitzeit
from benchmarks.programs import Program, program, ready, said, serving, work
from benchmarks.server import Server
from benchmarks.stats import Goal, Line, Plan, Row, of

KINDS: tuple[type[Server], ...] = (Gleitzeit,)
BARE = "python-socketio"
BLOCK = {"one_by_one": 100, "together": 640, "stream": 640}
ECHO = {"echo": {"type": "tool", "class": "echo_provider.EchoProvider"}}

FIGURES = (
    ("relayed call, one by one, p50", "µs", "p50_us", Goal(1.25, "0.8 of its speed")),
    ("relayed calls, 64 in flight", "/s", "calls_per_s", Goal(0.8, "0.8 of its speed", at_least=True)),
    ("hub CPU, a call", "µs", "hub_us_per_call", None),
    ("relayed stream items", "/s", "items_per_s", None),
)


def measure(plan: Plan) -> Iterator[Row]:
    ways = {name: way for name, way in {Gleitzeit.name: ours, BARE: bare}.items() if plan.wants(name)}
    rows: list[Row] = []
    with ExitStack() as stack:
        callers = {name: stack.enter_context(way()) for name, way in ways.items()}
        for caller in callers.values():
            work(caller, "one_by_one", 300)  # what is used for the first time is slower
        # short turns, since a shared machine is a different one every few seconds
        for turn in plan.turns(full=40, quick=5):
            for name, caller in callers.items():
                row: Row = {"name": name, "round": turn}
                for kind, count in BLOCK.items():
                    row |= work(caller, kind, count)
                rows.append(row)
    yield from rows


@contextmanager
def ours() -> Iterator[Program]:
    """A caller beside our daemon, which runs a provider made with our SDK."""
    with serving(ECHO, "echo_provider.py") as daemon:
        token = daemon.token.read_text().strip()
        with ready("caller", kind="gz", url=daemon.url, token=token, hub=daemon.roots()) as caller:
            yield caller


@contextmanager
def bare() -> Iterator[Program]:
    """A caller beside the yardstick."""
    with program("bare", "hub") as hub:
        url = f"http://127.0.0.1:{said(hub)}"
        with program("bare", "provider", url) as provider:
            said(provider)
            with ready("caller", kind="bare", url=url, token="", hub=[hub.pid]) as caller:
                yield caller


def lines(rows: Sequence[Row]) -> list[Line]:
    return [
        Line(metric, unit, of(rows, Gleitzeit.name, key), f"bare {BARE}", of(rows, BARE, key), goal)
        for metric, unit, key, goal in FIGURES
    ]

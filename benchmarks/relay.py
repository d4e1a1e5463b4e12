"""Caller -> hub -> provider and back: our daemon beside bare python-socketio doing the same two hops.

Three processes each, WebSocket over loopback, about 140 bytes a call.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.ending import ending
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import home
from benchmarks.stats import Goal, Line, Plan, Row, of
from benchmarks.supervisor import Supervisor

ROOT = Path(__file__).parent.parent
KINDS: tuple[type[Supervisor], ...] = (Gleitzeit,)
BARE = "python-socketio"
PATIENCE = 15.0
BLOCK = {"one_by_one": 100, "together": 640, "stream": 640}
Program = subprocess.Popen[str]

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
    with home() as folder:
        shutil.copy(Path(__file__).with_name("echo_provider.py"), folder)
        daemon = Gleitzeit(folder)
        daemon.write({"echo": {"type": "tool", "class": "echo_provider.EchoProvider"}})
        try:
            daemon.start()
            wait_until_running(daemon)
            with calling("gz", daemon.url, daemon.token.read_text().strip(), daemon.roots()) as caller:
                yield caller
        finally:
            with ending.waits():
                daemon.stop()


@contextmanager
def bare() -> Iterator[Program]:
    """A caller beside the yardstick."""
    with program("bare", "hub") as hub:
        url = f"http://127.0.0.1:{said(hub)}"
        with program("bare", "provider", url) as provider:
            said(provider)
            with calling("bare", url, "", [hub.pid]) as caller:
                yield caller


@contextmanager
def calling(kind: str, url: str, token: str, hub: list[int]) -> Iterator[Program]:
    with program("caller", json.dumps({"kind": kind, "url": url, "token": token, "hub": hub})) as caller:
        said(caller)
        yield caller


def wait_until_running(daemon: Gleitzeit) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and daemon.roots():
        shown = subprocess.run(daemon.status_command(), env=daemon.env(), capture_output=True, text=True)
        if "RUNNING" in shown.stdout:
            return
        time.sleep(0.1)
    raise SystemExit(f"the echo provider does not run\n{daemon.said()}")


def work(caller: Program, kind: str, count: int) -> Row:
    """Have the caller do so much of one kind of work."""
    assert caller.stdin
    caller.stdin.write(f"{kind} {count}\n")
    caller.stdin.flush()
    row: Row = json.loads(said(caller))
    return row


@contextmanager
def program(module: str, *args: str) -> Iterator[Program]:
    """A program of the benchmarks as a process; it is ended on the way out."""
    argv = [sys.executable, "-m", f"benchmarks.{module}", *args]
    pipe = subprocess.PIPE
    # a session of its own: a Ctrl-C at the benchmarks reaches it through us, in order
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def said(process: Program) -> str:
    assert process.stdout
    if line := process.stdout.readline().strip():
        return line
    raise SystemExit("a program of the relay benchmark ended before it said anything")


def lines(rows: Sequence[Row]) -> list[Line]:
    return [
        Line(metric, unit, of(rows, Gleitzeit.name, key), f"bare {BARE}", of(rows, BARE, key), goal)
        for metric, unit, key, goal in FIGURES
    ]

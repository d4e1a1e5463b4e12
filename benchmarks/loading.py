"""A file of a thousand providers is saved and nothing changes: with the same bytes, or with a comment edited.

None of them runs. The yardstick is what the parser alone takes for the same text, in a process of its own.
While an edited comment is taken over, the daemon is asked all the time whether it lives: the slowest answer
tells how late it is with anything else. What it takes at rest stands beside.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Event

from benchmarks.ending import ending
from benchmarks.handwritten import Handwritten, with_edited_comment, written
from benchmarks.house import SETTLE, home
from benchmarks.install import printed
from benchmarks.stats import Goal, Limit, Line, Plan, Row, most, of
from benchmarks.supervisor import Supervisor
from benchmarks.unix import connected

KINDS: tuple[type[Supervisor], ...] = (Handwritten,)
PARSER = "ruamel"
PROVIDERS = 1000
PATIENCE = 60.0
EVERY = 0.005
RELOAD = json.dumps({"dry_run": False, "wait": True, "timeout": PATIENCE})


def measure(plan: Plan) -> Iterator[Row]:
    if plan.wants(Handwritten.name):
        with home() as folder, daemon(folder) as it:
            text = it.config.read_text()
            for turn in plan.turns(full=10, quick=2):
                yield {"name": PARSER, "round": turn, "load_ms": read_ms(PARSER, it.config)}
                found = {"load_ms": read_ms("load", it.config)} | reloads(it, text, turn)
                yield {"name": it.name, "round": turn} | found


@contextmanager
def daemon(folder: Path) -> Iterator[Handwritten]:
    """Ours with a thousand providers of which none is started."""
    it = Handwritten(folder)
    sleepers = {f"c{number}": ("sleep", "infinity") for number in range(PROVIDERS)}
    it.save(it.config, written(it.url, sleepers, auto_start=False))
    try:
        it.start()
        wait_until_ready(it)
        yield it
    finally:
        with ending.waits():
            it.stop()


def wait_until_ready(it: Handwritten) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and it.roots():
        with suppress(OSError), connected(it.socket, PATIENCE) as connection:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"{it.name} with {PROVIDERS} providers is not ready\n{it.said()}")


def read_ms(way: str, path: Path) -> float:
    """Milliseconds that a fresh process takes to read the file."""
    return float(printed(sys.executable, "-P", Path(__file__).with_name("parse.py"), way, path))


def reloads(it: Handwritten, text: str, turn: int) -> Row:
    """What the daemon takes for each save, and how late it is meanwhile."""
    edited = with_edited_comment(text, PROVIDERS // 2, turn)
    with asking(it.socket) as resting:
        time.sleep(SETTLE)
    with asking(it.socket) as reloading:
        comment_ms = save_and_reload(it, edited)
    time.sleep(SETTLE)  # what it does about the save by itself is over as well
    return {
        "comment_ms": comment_ms,
        "slowest_ms": max(reloading),
        "slowest_at_rest_ms": max(resting),
        "same_ms": save_and_reload(it, edited),
    }


def save_and_reload(it: Handwritten, text: str) -> float:
    """Milliseconds until the daemon has taken over the file as it is now."""
    with connected(it.socket, PATIENCE) as connection:
        it.save(it.config, text)
        return ms(connection, "POST", "/v1/reload", RELOAD)


@contextmanager
def asking(path: Path) -> Iterator[list[float]]:
    """Ask who listens at `path` all the while whether it lives; the milliseconds of each answer."""
    took: list[float] = []
    over = Event()

    def ask() -> None:
        with connected(path, PATIENCE) as connection:
            took.append(ms(connection, "GET", "/livez"))
            while not over.wait(EVERY):
                took.append(ms(connection, "GET", "/livez"))

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield took
        finally:
            over.set()
        asked.result()


def ms(connection: HTTPConnection, method: str, target: str, body: str | None = None) -> float:
    """Milliseconds until it is answered, and well."""
    began = time.perf_counter()
    connection.request(method, target, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    said = answer.read().decode(errors="replace")
    took = (time.perf_counter() - began) * 1000
    if answer.status != 200:
        raise SystemExit(f"{method} {target} was answered with {answer.status}: {said[:2000]}")
    return took


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, parser = Handwritten.name, of(rows, PARSER, "load_ms")
    slowest, resting = most(rows, [ours], "slowest_ms"), most(rows, [ours], "slowest_at_rest_ms")
    beside_the_parser = (
        ("reload of the same bytes, 1,000 providers", "same_ms", Limit(20)),
        ("reload of an edited comment, 1,000 providers", "comment_ms", Goal(1.3, "0.3 on top of its parser")),
        ("load of a file, 1,000 providers", "load_ms", None),
    )
    return [
        *(
            Line(metric, "ms", of(rows, ours, key), f"{PARSER} alone", parser, goal)
            for metric, key, goal in beside_the_parser
        ),
        Line("slowest answer while a comment is reloaded", "ms", slowest, "at rest", resting, Limit(50)),
    ]

"""The parts of a benchmark that are processes of their own, and a daemon of ours with providers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.ending import ending
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import home
from benchmarks.stats import Row

HERE = Path(__file__).parent
PATIENCE = 15.0
Program = subprocess.Popen[str]


@contextmanager
def serving(providers: Mapping[str, Mapping[str, Any]], *sources: str) -> Iterator[Gleitzeit]:
    """Our daemon with providers that all run; `sources` are the files of their classes, beside us."""
    with home() as folder:
        for source in sources:
            shutil.copy(HERE / source, folder)
        daemon = Gleitzeit(folder)
        daemon.write(providers)
        try:
            daemon.start()
            wait_until_running(daemon, len(providers))
            yield daemon
        finally:
            with ending.waits():
                daemon.stop()


def wait_until_running(daemon: Gleitzeit, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and daemon.roots():
        shown = subprocess.run(daemon.status_command(), env=daemon.env(), capture_output=True, text=True)
        if not shown.returncode and shown.stdout.count("RUNNING") == count:
            return
        time.sleep(0.1)
    raise SystemExit(f"the providers of a benchmark do not run\n{daemon.said()}")


@contextmanager
def program(module: str, *args: str) -> Iterator[Program]:
    """A program of the benchmarks as a process; it is ended on the way out."""
    argv = [sys.executable, "-m", f"benchmarks.{module}", *args]
    pipe = subprocess.PIPE
    # a session of its own: a Ctrl-C at the benchmarks reaches it through us, in order
    with subprocess.Popen(
        argv, cwd=HERE.parent, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def ready(module: str, **place: Any) -> Iterator[Program]:
    """A program that is told its place in JSON, once it has said that it is ready."""
    with program(module, json.dumps(place)) as it:
        said(it)
        yield it


def work(it: Program, kind: str, *numbers: int) -> Row:
    """Have a program do so much of one kind of work."""
    assert it.stdin
    it.stdin.write(" ".join([kind, *map(str, numbers)]) + "\n")
    it.stdin.flush()
    row: Row = json.loads(said(it))
    return row


def said(process: Program) -> str:
    assert process.stdout
    if line := process.stdout.readline().strip():
        return line
    raise SystemExit("a program of a benchmark ended before it said anything")

"""A child that prints numbered lines, and what has become of them in the log files."""

from __future__ import annotations

import gzip
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from benchmarks.deaths import kill_tick
from benchmarks.house import House

NAME = "flood"
LINE = 100
"""Bytes of a line with its end; its first twelve are its number, the rest is always the same."""
LOOK = 0.002


def orders(size: int, chunk: int, rate: int = 0) -> dict[str, list[str]]:
    """A child that prints `size` bytes when told to, `chunk` a write and at most `rate` a second."""
    return {NAME: ["flood", str(size), str(chunk), str(rate)]}


def begin(it: House) -> int:
    """Let it print; the moment just before, in nanoseconds of CLOCK_MONOTONIC."""
    began = time.monotonic_ns()
    kill_tick(it.born[NAME].pid, signal.SIGUSR1)
    return began


def kept(it: House, size: int, timeout: float) -> int:
    """Wait until the last line is in the log file; the moment, likewise."""
    last, deadline = number(size // LINE - 1), time.monotonic() + timeout
    while last not in end_of(it.supervisor.log(NAME)):
        if time.monotonic() > deadline:
            raise SystemExit(f"{it.supervisor.name} has not kept the last line\n{it.supervisor.said()}")
        time.sleep(LOOK)
    return time.monotonic_ns()


def number(line: int) -> bytes:
    return b"%012d 0" % line


def end_of(log: Path) -> bytes:
    with suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 3 * LINE))
        return file.read()
    return b""


def lost(log: Path, size: int) -> int:
    """The bytes that were printed and are not, line for line, in the log file and those before it."""
    missing = bytearray(b"\1") * (size // LINE)
    for line in lines_of(sorted(log.parent.glob(f"{log.name}*"), key=age, reverse=True)):
        # what came before the line in the same record, such as the time, is not ours
        with suppress(ValueError, IndexError):
            missing[int(line[-LINE : 12 - LINE])] = 0
    return sum(missing) * LINE


def age(path: Path) -> int:
    """How many rotations ago a log file was written."""
    found = re.search(r"\.log\.(\d+)", path.name)
    return int(found[1]) if found else 0


def lines_of(paths: Iterable[Path]) -> Iterator[bytes]:
    """All lines, of which one may begin in one file and end in the next."""
    torn = b""
    for path in paths:
        # one that was being compressed when its supervisor ended just ends; what it was made from is there
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file, suppress(EOFError):
            for line in file:
                if line.endswith(b"\n"):
                    yield torn + line
                    torn = b""
                else:
                    torn += line

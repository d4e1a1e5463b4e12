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
from typing import NamedTuple

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


class Account(NamedTuple):
    """The bytes of lines that are not in the files, and of those that are there once too often."""

    lost: int
    doubled: int


def account(log: Path, size: int) -> Account:
    """What has become of each line that was printed, in the log file and those before it."""
    missing, doubled = bytearray(b"\1") * (size // LINE), 0
    for line in lines_of(files(log)):
        if (number := number_of(line)) in range(len(missing)):
            doubled += not missing[number]
            missing[number] = 0
    return Account(sum(missing) * LINE, doubled * LINE)


def number_of(line: bytes) -> int:
    """The number of a line, or -1. What precedes it in the same record, such as the time, is not ours."""
    with suppress(ValueError):
        return int(line[-LINE : 12 - LINE])
    return -1


def files(log: Path) -> list[Path]:
    """The log file and those before it, oldest first: `NAME.2.gz`, `NAME.1`, `NAME`."""
    ours = re.compile(rf"{re.escape(log.name)}(?:\.(\d+))?(?:\.gz)?")
    # where a file is there compressed as well, that is what was made from it: its lines are no second ones
    by_age = {
        int(found[1] or 0): path
        for path in sorted(log.parent.iterdir(), reverse=True)
        if (found := ours.fullmatch(path.name))
    }
    return [by_age[age] for age in sorted(by_age, reverse=True)]


def lines_of(paths: Iterable[Path]) -> Iterator[bytes]:
    """All lines, of which one may begin in one file and end in the next."""
    torn = b""
    for path in paths:
        # one that was being compressed when its supervisor was killed just ends
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file, suppress(EOFError):
            for line in file:
                if line.endswith(b"\n"):
                    yield torn + line
                    torn = b""
                else:
                    torn += line

"""The clock that we share with the children: each of them writes when it began to a FIFO that we read."""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from benchmarks.install import PEERS

SOURCE = Path(__file__).with_name("tick.c")
READ = 1 << 20


@cache
def tick() -> Path:
    """The compiled child. It is linked statically where that is possible: then exec alone is measured."""
    PEERS.mkdir(exist_ok=True)
    program = PEERS / "tick"
    for link in (["-static"], []):
        argv = ["cc", "-O2", *link, "-o", str(program), str(SOURCE)]
        done = subprocess.run(argv, capture_output=True, text=True)
        if not done.returncode:
            return program
    raise SystemExit(f"{done.stderr}cannot compile tick.c, the child of the benchmarks")


class Birth(NamedTuple):
    """The first instruction of a child, at `ns` of CLOCK_MONOTONIC."""

    name: str
    pid: int
    ns: int


class Births:
    """The FIFO, and every birth that it has told of."""

    def __init__(self, fifo: Path) -> None:
        os.mkfifo(fifo)
        self.seen: list[Birth] = []
        self._rest = b""
        # open for writing as well: a FIFO whose last writer leaves would read as ended
        self._fd = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)

    def wait(self, names: Iterable[str], timeout: float, since: int = 0) -> dict[str, Birth]:
        """The first birth of each of `names` at or after `since`; the names not born in time are missing."""
        wanted, deadline = set(names), time.monotonic() + timeout
        while True:
            self.read(0)
            born: dict[str, Birth] = {}
            for birth in self.seen:
                if birth.name in wanted and birth.ns >= since:
                    born.setdefault(birth.name, birth)
            left = deadline - time.monotonic()
            if len(born) == len(wanted) or left <= 0:
                return born
            self.read(left)

    def read(self, timeout: float) -> list[Birth]:
        """What it tells of next, as soon as there is something; nothing after `timeout`."""
        known = len(self.seen)
        while select.select([self._fd], [], [], timeout)[0]:
            *lines, self._rest = (self._rest + os.read(self._fd, READ)).split(b"\n")
            for line in lines:
                name, pid, ns = line.decode().split()
                self.seen.append(Birth(name, int(pid), int(ns)))
            timeout = 0
        return self.seen[known:]

    def close(self) -> None:
        os.close(self._fd)

"""What processes use: their memory, and how much of the processors since somebody last looked.

Nobody looks unless asked, so an idle daemon sleeps. The first look at a life has nothing to compare with, and
tells its average, as ps(1) does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

from gleitzeitd.processes.containment import strays

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")

SHORTEST = 1.0
"""Seconds between two looks that are compared: the kernel counts in hundredths."""
LONGEST = 60.0
"""Seconds after which an earlier look tells of another time."""


@dataclass(frozen=True, slots=True)
class Usage:
    cpu: float
    """Processors that were busy for it: 1.5 is one and a half."""
    memory: int
    """Bytes that are resident; pages that its processes share are counted for each."""


@dataclass(frozen=True, slots=True)
class _Look:
    time: float
    started: float
    """When its leader did: with the pid this is its identity."""
    busy: float
    """Seconds of processors that it has had."""
    memory: int


class Usages:
    """Looks at processes and all that descend from them. Several who ask share what was seen."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[_Look, _Look]] = {}
        """The last two looks at each leader that were far enough apart."""

    def of(self, leader: int) -> Usage | None:
        """None when there is no such process."""
        look = _look(leader)
        if look is None:
            self._seen.pop(leader, None)
            return None
        birth = _Look(look.started, look.started, 0.0, 0)
        earlier, later = self._seen.get(leader, (birth, birth))
        if later.started != look.started or look.time - later.time > LONGEST:
            earlier = later = birth
        if look.time - later.time >= SHORTEST:
            earlier, later = later, look
            self._seen[leader] = earlier, later
        passed = look.time - earlier.time
        return Usage(max(0.0, look.busy - earlier.busy) / passed if passed > 0 else 0.0, look.memory)

    def forget_all_but(self, leaders: Iterable[int | None]) -> None:
        kept = set(leaders)
        self._seen = {pid: looks for pid, looks in self._seen.items() if pid in kept}


def _look(leader: int) -> _Look | None:
    """At a process and its descendants, whose dead are counted with those who waited for them (proc(5))."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    first = _fields(leader)
    if first is None:
        return None
    all_of_it, todo = [first], _children(leader, first)
    while todo:
        pid = todo.pop()
        if fields := _fields(pid):
            all_of_it.append(fields)
            todo += _children(pid, fields)
    busy = sum(sum(map(int, fields[11:15])) for fields in all_of_it) / _TICKS
    memory = sum(int(fields[21]) for fields in all_of_it) * _PAGE
    return _Look(now, int(first[19]) / _TICKS, busy, memory)


def _fields(pid: int) -> list[bytes] | None:
    """Those of /proc/PID/stat behind the name: utime is the 12th, num_threads the 18th, starttime the 20th,
    rss the 22nd."""
    try:
        return _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    except OSError:
        return None


def _children(pid: int, fields: list[bytes]) -> list[int]:
    """As the kernel lists them at once: one that it skips is seen by the next look."""
    try:
        tasks = [str(pid)] if fields[17] == b"1" else os.listdir(f"/proc/{pid}/task")
        return [int(child) for task in tasks for child in _read(f"/proc/{pid}/task/{task}/children").split()]
    except OSError:
        # It is gone, or the kernel has no such lists.
        return [stat.pid for stat in strays.descendants((pid,)) if stat.parent == pid]


def _read(path: str) -> bytes:
    """A file object would take twice as long, and somebody may look at hundreds of processes each second."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, 64 * 1024)
    finally:
        os.close(file)

"""What processes use: their memory, and how much of the processors since somebody last looked.

Nobody looks unless asked, so an idle daemon sleeps. The first look at a life has nothing to compare with, and
tells its average, as ps(1) does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gleitzeitd.processes.containment import strays

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")

SHORTEST = 1.0
"""Seconds between two looks that are compared: the kernel counts in hundredths."""
LONGEST = 60.0
"""Seconds after which an earlier look tells of another time."""
SMALL = 2048
"""Bytes that are certainly all of a file in /proc, when one read gives no more."""


@dataclass(frozen=True, slots=True)
class Usage:
    cpu: float
    """Processors that were busy for it: 1.5 is one and a half."""
    memory: int
    """Bytes that are resident; pages that its processes share are counted for each."""


@dataclass(frozen=True, slots=True)
class _Busy:
    """Seconds of processors that one process has had."""

    own: float
    waited: float
    """Those of its dead, for which it has waited."""


@dataclass(frozen=True, slots=True)
class _Look:
    time: float
    started: float
    """When its leader did: with the pid this is its identity."""
    busy: Mapping[tuple[int, float], _Busy]
    """Of each process, by its pid and when it started."""
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
        birth = _Look(look.started, look.started, {}, 0)
        earlier, later = self._seen.get(leader, (birth, birth))
        if later.started != look.started or look.time - later.time > LONGEST:
            earlier = later = birth
        if look.time - later.time >= SHORTEST:
            earlier, later = later, look
            self._seen[leader] = earlier, later
        passed = look.time - earlier.time
        return Usage(_between(earlier, look) / passed if passed > 0 else 0.0, look.memory)

    def forget_all_but(self, leaders: Iterable[int | None]) -> None:
        kept = set(leaders)
        self._seen = {pid: looks for pid, looks in self._seen.items() if pid in kept}


def _between(earlier: _Look, later: _Look) -> float:
    """Seconds of processors.

    Who has died was seen before for all but what came last, and takes only that from those who waited for it:
    what nobody waited for must not make the others look idle.
    """
    none, busy, waited = _Busy(0.0, 0.0), 0.0, 0.0
    for process, now in later.busy.items():
        if process not in earlier.busy and process[1] < earlier.time - 1 / _TICKS:
            # It was there before and not seen: nobody knows what it had until then.
            continue
        before = earlier.busy.get(process, none)
        busy += now.own - before.own
        waited += now.waited - before.waited
    dead = [before for process, before in earlier.busy.items() if process not in later.busy]
    return max(0.0, busy) + max(0.0, waited - sum(one.own + one.waited for one in dead))


def _look(leader: int) -> _Look | None:
    """At a process and its descendants, whose dead are counted with those who waited for them (proc(5))."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    first = _fields(leader)
    if first is None:
        return None
    all_of_it, todo = {leader: first}, _children(leader, first)
    while todo:
        pid = todo.pop()
        if pid not in all_of_it and (fields := _fields(pid)):
            all_of_it[pid] = fields
            todo += _children(pid, fields)
    busy = {(pid, _started(fields)): _busy(fields) for pid, fields in all_of_it.items()}
    memory = sum(int(fields[21]) for fields in all_of_it.values()) * _PAGE
    return _Look(now, _started(first), busy, memory)


def _started(fields: list[bytes]) -> float:
    return int(fields[19]) / _TICKS


def _busy(fields: list[bytes]) -> _Busy:
    user, system, waited_user, waited_system = map(int, fields[11:15])
    return _Busy((user + system) / _TICKS, (waited_user + waited_system) / _TICKS)


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
        data = piece = os.read(file, 64 * 1024)
        # The kernel gives a page of a list at a time.
        while len(piece) > SMALL:
            data += (piece := os.read(file, 64 * 1024))
        return data
    finally:
        os.close(file)

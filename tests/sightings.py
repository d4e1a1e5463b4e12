"""What /proc shows of a daemon and of all that it started, without a word from the daemon."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_MARK = re.compile(rb"GLEITZEIT_INSTANCE=(\d+):(?:.*:)?([^:]+):(\d+)(?::check\d+)?")
"""The daemon's pid stands in front, name and generation at the end; behind these may stand the number of a
check, which belongs to the life that it asks about."""
SETTLED = 5.0
"""Seconds after its fork in which a process may still be executed, and be marked only then."""


class Identity(NamedTuple):
    """One process for ever: the kernel gives its number to another one later, but not its start."""

    pid: int
    started: int


class Stat(NamedTuple):
    """The fields of /proc/PID/stat (proc(5)) that are looked at."""

    identity: Identity
    state: str
    parent: int
    threads: int

    @property
    def is_dead(self) -> bool:
        return self.state in "ZX"


@dataclass(frozen=True, slots=True)
class Mark:
    """The life that a process belongs to."""

    daemon: int
    name: str
    generation: int

    @classmethod
    def read(cls, environment: bytes) -> Mark | None:
        if b"GLEITZEIT_INSTANCE=" not in environment:
            return None
        for variable in environment.split(b"\0"):
            if found := _MARK.fullmatch(variable):
                return cls(int(found[1]), found[2].decode(), int(found[3]))
        return None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A process that was alive, and whose it is."""

    identity: Identity
    mark: Mark

    def is_alive(self) -> bool:
        stat = look(self.identity.pid)
        return stat is not None and stat.identity == self.identity and not stat.is_dead

    def kill(self) -> bool:
        """SIGKILL to exactly this process; whether it was still there to be killed."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.identity.pid)
            try:
                if self.is_alive():
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    return True
            finally:
                os.close(handle)
        return False


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the daemon itself takes; `rss` in bytes."""

    rss: int
    fds: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """One walk through /proc, between two moments of the monotonic clock."""

    began: float
    ended: float
    alive: frozenset[Sighting] = frozenset()
    """Of this daemon's instances. Several lives of one were all there at once."""
    pids: frozenset[int] = frozenset()
    """Of all that lives on this machine."""
    zombies: frozenset[Identity] = frozenset()
    """Dead children that the daemon has yet to reap."""
    vitals: Vitals | None = None
    """None when there is no daemon."""


class Sweeper:
    """Walks through /proc; what it once knew of a process it need not read again."""

    def __init__(self) -> None:
        self._known: dict[Identity, Mark | None] = {}
        """None: no process of any daemon, and none that may become one."""
        self._others = set[int]()
        """The pids of what was there before the daemon, as long as they are listed: none of its instances.

        A pid that is free is given again only after all others, which takes longer than a look."""
        self._is_first = True

    def sweep(self, daemon: int | None, daemons: Iterable[int]) -> Sweep:
        """`daemon` is the one that runs now; `daemons` are all whose children are looked for."""
        began = time.monotonic()
        listed = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._others &= listed
        stats = [stat for pid in sorted(listed - self._others) if (stat := look(pid))]
        by_pid = {stat.identity.pid: stat.identity for stat in stats}
        wanted, found = frozenset(daemons), set[Sighting]()
        known: dict[Identity, Mark | None] = {}
        for stat in stats:
            self._recognise(stat, by_pid, daemon, known)
            mark = known.get(stat.identity)
            if mark is not None and mark.daemon in wanted and not stat.is_dead:
                found.add(Sighting(stat.identity, mark))
        if self._is_first:
            self._others = _from_before(by_pid.get(daemon) if daemon else None, known)
        self._known, self._is_first = known, False
        return Sweep(
            began=began,
            alive=frozenset(_certainly_together(found)),
            pids=frozenset(stat.identity.pid for stat in stats if not stat.is_dead) | self._others,
            zombies=frozenset(each.identity for each in stats if each.is_dead and each.parent == daemon),
            vitals=_vitals(daemon) if daemon is not None else None,
            ended=time.monotonic(),
        )

    def _recognise(
        self,
        stat: Stat,
        by_pid: dict[int, Identity],
        daemon: int | None,
        known: dict[Identity, Mark | None],
    ) -> None:
        identity = stat.identity
        if identity in self._known:
            known[identity] = self._known[identity]
        elif mark := _mark(identity.pid):
            known[identity] = mark
        elif (parent := by_pid.get(stat.parent)) and (mark := self._known.get(parent)):
            # Who cleared its environment belongs to whoever started it.
            known[identity] = mark
        elif self._is_first and stat.parent != daemon and _age(identity) > SETTLED:
            known[identity] = None


def _from_before(daemon: Identity | None, known: Mapping[Identity, Mark | None]) -> set[int]:
    return {
        one.pid
        for one, mark in known.items()
        if mark is None and (daemon is None or one.started < daemon.started)
    }


def _certainly_together(found: set[Sighting]) -> Iterable[Sighting]:
    """What was found, without those of several lives of one instance that have died meanwhile.

    A walk takes its time: the old one may have died, and the new one been born, after the walk passed by.
    Whoever of them is still there after all were seen was there together with the others.
    """
    lives = defaultdict[str, set[tuple[int, int]]](set)
    for sighting in found:
        lives[sighting.mark.name].add((sighting.mark.daemon, sighting.mark.generation))
    return (one for one in found if len(lives[one.mark.name]) == 1 or one.is_alive())


def look(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        # As short as it can be said: it is asked of every process of the machine, again and again.
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
        try:
            fields = os.read(file, 4096).rpartition(b")")[2].split()
        finally:
            os.close(file)
    except OSError:
        return None
    return Stat(Identity(pid, int(fields[19])), fields[0].decode(), int(fields[1]), int(fields[17]))


def _age(identity: Identity) -> float:
    """Seconds since it was forked."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - identity.started / os.sysconf("SC_CLK_TCK")


def _mark(pid: int) -> Mark | None:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return Mark.read(file.read())
    except OSError:
        return None


def _vitals(daemon: int) -> Vitals | None:
    stat = look(daemon)
    if stat is None or stat.is_dead:
        return None
    try:
        fds = len(os.listdir(f"/proc/{daemon}/fd"))
        with open(f"/proc/{daemon}/statm", "rb") as file:
            rss = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
    return Vitals(rss, fds, stat.threads)

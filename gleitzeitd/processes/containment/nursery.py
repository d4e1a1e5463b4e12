"""Where children are put when they are born: a cgroup for each, before the next one is spawned.

To move a process into a cgroup takes up to 20 ms on an idle machine, as the kernel waits for all its CPUs,
and 50 us when it has just done so. So a thread moves it while the daemon goes on; only a spawn that follows
at once waits for it. What a child started before it was moved stands in the daemon's own cgroup, below that
child or, orphaned, below the daemon; as everything of earlier children is in theirs, it is this child's.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import structlog

from gleitzeitd.core.spec import Limits
from gleitzeitd.processes.containment import cgroup, strays
from gleitzeitd.processes.containment.cgroup import Group
from gleitzeitd.processes.containment.limits import release, settings, words
from gleitzeitd.processes.containment.strays import Stat

log = structlog.get_logger("gleitzeitd")
PASSES = 20
"""Looks for what was born meanwhile: one that forks as fast as it can is found by its session, too."""
LOOKING = 0.5
"""Seconds for all these looks."""
SETTLING = 2.0
"""Seconds until the next is spawned all the same: better one in the wrong cgroup than a daemon that waits."""


class Nursery:
    def __init__(self) -> None:
        """Raises cgroup.Unavailable."""
        self.parent = cgroup.own_directory()
        self.path = cgroup.make(self.parent)
        self._mover = ThreadPoolExecutor(1, thread_name_prefix="cgroup")
        # Its thread is there before there can be too many of them.
        self._mover.submit(int).result()
        self._last: Future[Group | None] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether whoever was spawned last is where it belongs."""
        return self._last is None or self._last.done()

    def settle(self) -> None:
        """Wait until that is so. Who would not hold up others asks before."""
        if self._last is not None:
            futures.wait([self._last], SETTLING)
            self._last = None

    def prepare(self, name: str, limits: Limits) -> Group | None:
        """A cgroup that a launcher is to enter by itself."""
        try:
            group = self._make(name)
            for file, value in settings(limits):
                # Where its controller is not to be had, there is no such file.
                with contextlib.suppress(FileNotFoundError):
                    cgroup.write(group.path / file, value)
        except OSError as exc:
            log.warning("cannot make a cgroup", name=name, error=str(exc))
            return None
        return group

    def enforces(self, limits: Limits) -> bool:
        """Whether a cgroup here would hold anything to one of these."""
        controllers = words(self.path / "cgroup.subtree_control")
        return any(file.partition(".")[0] in controllers for file, _ in settings(limits))

    def place(self, pid: int, name: str, siblings: AbstractSet[int]) -> Future[Group | None]:
        """Put who was just spawned in a cgroup of its own, and what it started meanwhile.

        It must not be reaped before.
        """
        self._last = self._mover.submit(partial(self._place, pid, name, siblings))
        return self._last

    def _place(self, pid: int, name: str, siblings: AbstractSet[int]) -> Group | None:
        # Whatever is wrong with one must not keep the next from being spawned.
        try:
            group = self._entered(pid, name)
        except Exception as exc:
            log.warning("cannot use a cgroup", name=name, error=str(exc))
            return None
        try:
            self._gather(group, partial(_roots, pid, name, siblings))
        except Exception as exc:
            # Its leader is in it, and with it whatever comes.
            log.warning("cannot find all that belongs in a cgroup", name=name, error=str(exc))
        return group

    def _entered(self, pid: int, name: str) -> Group:
        """A cgroup with a process in it. Raises OSError."""
        group = self._make(name)
        try:
            # Who is dead already may have left something all the same.
            with contextlib.suppress(ProcessLookupError):
                group.add(pid)
        except OSError:
            group.remove()
            raise
        return group

    def _gather(self, group: Group, roots: Callable[[], Iterable[Stat]]) -> None:
        """Fetch what was born outside, until there is none or it takes too long."""
        here, give_up = cgroup.place_of("self"), time.monotonic() + LOOKING
        for _ in range(PASSES):
            outside = [stat.pid for stat in strays.lineage(roots) if cgroup.place_of(stat.pid) == here]
            for stray in outside:
                with contextlib.suppress(ProcessLookupError):
                    group.add(stray)
                if time.monotonic() > give_up:
                    return
            if not outside:
                return

    def _make(self, name: str) -> Group:
        path = self.path / name
        path.mkdir(exist_ok=True)
        return Group(path)

    def close(self) -> None:
        """Take away what is empty."""
        self._mover.shutdown()
        release(self.path)
        Group(self.path).remove()


def _roots(pid: int, mark: str, siblings: AbstractSet[int]) -> Iterator[Stat]:
    """A child and all orphans that are in no other child's session and carry no other life's mark."""
    others = siblings - {pid}
    for stat in map(Stat.look, {pid, *strays.children_of(os.getpid())} - others):
        if stat is None or stat.session in others:
            continue
        if stat.pid == pid or strays.mark_of(stat.pid) in ("", mark):
            yield stat

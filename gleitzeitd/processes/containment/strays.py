"""What belongs to a life: found in /proc, remembered, killed, and reaped when it became ours.

The daemon is a subreaper, so whatever outlives its own parent becomes the daemon's child. Such a child is
known by its session, by the marker that every child carries in its environment, or because it was seen
below its leader before; and with it everything that descends from it, whatever that has done to session and
environment.

Without a cgroup this leaves one way out: what left the session, cleared its environment and lost its
parent, all before anybody looked below the leader, is nobody's. It is killed when the daemon ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

import anyio

MARKER = "GLEITZEIT_INSTANCE"
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PASSES = 5
"""Looks at what changes while one looks: on a busy machine somebody always does."""
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
"""Errors by which one is not there, or hidden from us (hidepid of proc(5)) and out of our reach. By any
other, as for want of descriptors, nothing is known of it."""
_SHORT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_LOOK_AGAIN = 0.005
_LONGEST_PAUSE = 0.2


def become_subreaper() -> None:
    """Let orphaned descendants become children of this process (prctl(2)), and keep their exit statuses."""
    # Ignored, as it may have been inherited, the kernel would reap for us and the statuses would be lost.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat (proc(5)) that identify a process and its place."""

    pid: int
    state: str
    parent: int
    session: int
    started: int

    @classmethod
    def of(cls, pid: int) -> Stat | None:
        """None when there is no such process, or none that can be looked at now."""
        with contextlib.suppress(OSError):
            return cls.look(pid)
        return None

    @classmethod
    def look(cls, pid: int) -> Stat | None:
        """None when there certainly is no such process. Raises OSError."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except _GONE:
            return None
        return cls(pid, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))

    @property
    def is_alive(self) -> bool:
        return self.state not in "ZX"

    def __str__(self) -> str:
        """For people who wonder why it is still there."""
        waits = _word(self.pid, "wchan")
        where = f", in {waits}" if waits not in ("", "0") else ""
        return f"{self.pid} {_word(self.pid, 'comm') or '?'} (state {self.state}{where})"


def _word(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read().decode(errors="replace").strip()
    except OSError:
        return ""


def has_adopted(children: AbstractSet[int]) -> bool:
    """Whether this process has children beside `children`, dead or alive.

    What outlives a dead leader hangs below such a child, so without one there is nothing to look for. The
    list takes a tenth of the time of a walk through /proc, and is complete: children leave it only when
    they are reaped, which nobody does meanwhile. Where the kernel has no such list (proc(5)), the answer is
    yes.
    """
    return not _has_lists() or not children >= set(_listed(os.getpid()))


def adopted(children: AbstractSet[int]) -> list[Stat]:
    """This process's living children beside `children`. Raises OSError."""
    found = [Stat.look(pid) for pid in children_of(os.getpid()) if pid not in children]
    me = os.getpid()
    return [stat for stat in found if stat is not None and stat.parent == me and stat.is_alive]


def children_of(pid: int) -> list[int]:
    """A process's children; none when it is gone. Raises OSError."""
    if not _has_lists():
        return [stat.pid for stat in map(Stat.look, _everything()) if stat is not None and stat.parent == pid]
    once = _listed(pid)
    # While one of them is being reaped, the kernel may skip another (proc(5)).
    for _ in range(_PASSES):
        if (again := _listed(pid)) == once:
            break
        once = again
    return once


@cache
def _has_lists() -> bool:
    """Whether the kernel keeps lists of children (CONFIG_PROC_CHILDREN)."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def _listed(pid: int) -> list[int]:
    pids = list[int]()
    # Who is gone has none; a thread may end while we read.
    with contextlib.suppress(*_GONE):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(*_GONE), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                pids.extend(map(int, file.read().split()))
    return pids


def _everything() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(roots: Iterable[int]) -> list[Stat]:
    """Every living one that descends from `roots`, beside these, as far as they can be seen now."""
    found = list[Stat]()
    with contextlib.suppress(OSError):
        found.extend(_below(roots))
    return found


def _below(roots: Iterable[int]) -> Iterator[Stat]:
    """The same. Raises OSError when not all of them can be seen."""
    todo = list(roots)
    seen = set(todo)
    while todo:
        new = [pid for pid in children_of(todo.pop()) if pid not in seen]
        seen.update(new)
        todo.extend(new)
        yield from (stat for stat in map(Stat.look, new) if stat is not None and stat.is_alive)


def lineage(roots: Callable[[], Iterable[Stat]]) -> list[Stat]:
    """All living ones of `roots` and below.

    Who loses its parent while one looks becomes a child of ours: so `roots`, which knows whom of these to
    take, is asked again until it has nobody new; who always has is asked by the next look. Raises OSError.
    """
    found = dict[int, Stat]()
    for _ in range(_PASSES):
        if not (new := [stat for stat in roots() if stat.pid not in found]):
            break
        found.update((stat.pid, stat) for stat in new)
        found.update((stat.pid, stat) for stat in _below([stat.pid for stat in new]))
    return [stat for stat in found.values() if stat.is_alive]


def remains(
    leader: int,
    marker: str,
    siblings: AbstractSet[int] = frozenset(),
    known: Mapping[int, int] | None = None,
) -> list[Stat]:
    """Everything of the life that `leader` began which is neither the leader nor already dead.

    `siblings` are children of other lives; `known` are pids with their start times that were seen in this
    life before. Raises OSError when not all of it can be seen.
    """
    known = known or {}
    # The session of one that is gone keeps its number until all of it are gone.
    sessions = {leader, *(pid for pid, at in known.items() if _start_of(pid) in (None, at))} - siblings

    def roots() -> Iterator[Stat]:
        me = os.getpid()
        # The number of a leader that was reaped may be a stranger's by now, or a sibling's.
        for pid in {leader, *known, *children_of(me)} - siblings:
            stat = Stat.look(pid)
            if stat is None:
                continue
            if known.get(pid) == stat.started or (
                stat.parent == me and (pid == leader or stat.session in sessions or mark_of(pid) == marker)
            ):
                yield stat

    return [stat for stat in lineage(roots) if stat.pid != leader and stat.pid not in siblings]


def _start_of(pid: int) -> int | None:
    stat = Stat.look(pid)
    return None if stat is None else stat.started


def mark_of(pid: int) -> str:
    """The mark that it carries, or nothing. Raises OSError."""
    begin = f"{MARKER}=".encode()
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError as exc:
        if exc.errno in _SHORT:
            raise
        return ""
    return next((os.fsdecode(each.removeprefix(begin)) for each in variables if each.startswith(begin)), "")


def kill_all(look: Callable[[], list[Stat]]) -> int:
    """SIGKILL to whoever `look` finds, until it finds no others; how many they were.

    They are stopped first: who dies while its parent may still fork would leave a child that nobody knows,
    and with a signal under way nobody forks.
    """
    found = dict[int, Stat]()
    try:
        for _ in range(_PASSES):
            new = [stat for stat in look() if stat.pid not in found]
            for stat in new:
                found[stat.pid] = stat
                send(stat, signal.SIGSTOP)
            if not new:
                break
    finally:
        # What `look` raises must not leave them stopped.
        for stat in found.values():
            kill(stat)
    return len(found)


def kill(stat: Stat) -> None:
    send(stat, signal.SIGKILL)


def send(stat: Stat, number: signal.Signals) -> None:
    """Signal exactly this process: a pid that was given to another one since is never signalled."""
    # One that became another user's is out of our reach, and we may be short of descriptors: that must not
    # keep the others alive, and it is looked for again.
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(stat.pid)
        try:
            now = Stat.look(stat.pid)
            if now is not None and now.started == stat.started:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


async def end_adopted(children: AbstractSet[int]) -> None:
    """Kill every process that became ours but is none of `children`, with all that descends from it, until
    nothing is left. The caller's scope bounds it."""
    pause = _LOOK_AGAIN
    while not _is_rid_of(children):
        await anyio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _is_rid_of(children: AbstractSet[int]) -> bool:
    """Whether nothing adopted is left; what is left is killed."""
    try:
        left = kill_all(lambda: lineage(lambda: adopted(children)))
    except OSError:
        return False  # Not all of them can be seen now.
    reap_adopted(children)
    return not left


def reap_adopted(children: AbstractSet[int]) -> None:
    """Reap every dead process that became ours but is none of `children`, whose statuses others wait for.

    Looks without reaping (WNOWAIT) and reaps one by one, so that no other status is stolen.
    """
    # What cannot be seen now is reaped the next time.
    with contextlib.suppress(OSError):
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid in children:
                # It is told first each time, and nobody may ever wait for it: it must not hide the others.
                return _reap_one_by_one(children)
            os.waitid(os.P_PID, dead.si_pid, os.WEXITED | os.WNOHANG)


def _reap_one_by_one(children: AbstractSet[int]) -> None:
    for pid in children_of(os.getpid()):
        if pid not in children:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)

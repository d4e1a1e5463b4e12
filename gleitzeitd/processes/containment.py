"""What a life left behind: found in /proc, killed, and reaped when it became ours.

The daemon is a subreaper, so whatever outlives its own parent becomes the daemon's child. It is known by
its session, or by the marker that every child carries in its environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from dataclasses import dataclass

MARKER = "GLEITZEIT_INSTANCE"
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


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
        """None when there is no such process."""
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            return None
        return cls(pid, fields[0].decode(), int(fields[1]), int(fields[3]), int(fields[19]))


def has_adopted(children: set[int]) -> bool:
    """Whether this process has children beside `children`, dead or alive.

    What outlives a dead leader hangs below such a child, so without one there is nothing to look for. The
    list takes a tenth of the time of a walk through /proc, and is complete: children leave it only when they
    are reaped, which nobody does meanwhile. Where the kernel has no such list (proc(5)), the answer is yes.
    """
    try:
        return not children.issuperset(_children())
    except FileNotFoundError:
        return True


def adopted(children: set[int]) -> list[Stat]:
    """This process's living children beside `children`."""
    try:
        pids = _children()
    except FileNotFoundError:
        pids = _everything()
    me = os.getpid()
    found = [Stat.of(pid) for pid in pids if pid not in children]
    return [stat for stat in found if stat is not None and stat.parent == me and stat.state not in "ZX"]


def _children() -> list[int]:
    pids = list[int]()
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", "rb") as file:
            pids.extend(map(int, file.read().split()))
    return pids


def _everything() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def remains(leader: int, marker: str) -> list[Stat]:
    """Everything of the life that `leader` began which is neither the leader nor already dead."""
    me, found = os.getpid(), list[Stat]()
    for pid in _everything():
        stat = Stat.of(pid)
        if pid == leader or stat is None or stat.state in "ZX":
            continue
        if stat.session == leader or (stat.parent == me and _carries(pid, marker)):
            found.append(stat)
    return found


def _carries(pid: int, marker: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{MARKER}={marker}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def kill(stat: Stat) -> None:
    """SIGKILL to exactly this process: a pid that was given to another one since is never signalled."""
    # One that became another user's is out of our reach; it is looked for again.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        handle = os.pidfd_open(stat.pid)
        try:
            now = Stat.of(stat.pid)
            if now is not None and now.started == stat.started:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)


def reap_adopted(children: set[int]) -> None:
    """Reap every dead process that became ours but is none of `children`, whose statuses others wait for.

    Looks without reaping (WNOWAIT) and reaps one by one, so that no other status is stolen. A dead one of
    `children` ends the search: call again after it was reaped.
    """
    with contextlib.suppress(ChildProcessError):
        while dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if dead.si_pid in children:
                return
            os.waitid(os.P_PID, dead.si_pid, os.WEXITED | os.WNOHANG)

"""Runs one command under limits, and leaves nothing of it.

    system_commander.py LIFELINE REPORT LIMITS ARGV...

It is a process of its own between a provider and a command, and adopts whatever the command starts and loses
(PR_SET_CHILD_SUBREAPER, prctl(2)), in whatever session. LIFELINE is the descriptor of a pipe: once its other
end is closed, be it because the provider was killed, all of the command is killed. To the descriptor REPORT
it writes how the command ended, when nothing of it is left: `{"exit": 0}`, `{"signal": 9}`,
`{"error": "No such file or directory"}`, or `{}` when nobody wanted to know any more.

It needs the standard library alone.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time

CLEARED_WITHIN = 5.0
"""Seconds after which what cannot be killed, such as one in an endless system call, is left to the daemon."""

_DEATH_SIGNAL = 1  # linux/prctl.h
_SUBREAPER = 36


def main() -> None:
    lifeline, report, limits, argv = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:]
    prctl = ctypes.CDLL(None).prctl
    if prctl(_SUBREAPER, 1, 0, 0, 0):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER)")
    for fd in (lifeline, report):
        os.set_inheritable(fd, False)
    failed, tells = os.pipe()
    parent, pid = os.getpid(), os.fork()
    if pid == 0:
        # Should this process be killed, the command goes, too; what is left the daemon finds by its mark.
        prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(127)
        become(argv, limits, tells)
    os.close(tells)
    why = os.read(failed, 200).decode(errors="replace")
    status = ended(pid, lifeline)
    clear()
    os.write(report, json.dumps({"error": why} if why else status).encode())


def become(argv: list[str], limits: dict[str, int], tells: int) -> None:
    """Be the command; does not return."""
    try:
        for name, most in {"CORE": 0, **limits}.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
        # The interpreter ignores it, and children inherit that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvp(argv[0], argv)
    except (OSError, ValueError) as exc:
        os.write(tells, (getattr(exc, "strerror", None) or str(exc)).encode())
    os._exit(127)


def ended(pid: int, lifeline: int) -> dict[str, int]:
    """How it ended; empty when nobody wants to know any more."""
    process = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.register(lifeline, 0)  # its other end is never written to: only a hang-up counts
    if process not in [fd for fd, _ in poll.poll()]:
        return {}
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"exit": code} if code >= 0 else {"signal": -code}


def clear() -> None:
    """Kill what is left, which hangs below this process: stopped first, lest it start more meanwhile."""
    deadline = time.monotonic() + CLEARED_WITHIN
    while time.monotonic() < deadline:
        stopped: dict[int, int] = {}
        while new := {pid: born for pid, born in descendants().items() if pid not in stopped}:
            for pid, born in new.items():
                send(pid, born, signal.SIGSTOP)
            stopped |= new
        for pid, born in stopped.items():
            send(pid, born, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.002)


def descendants() -> dict[int, int]:
    """Of this process, but for the dead: pid to the time at which it was born (proc(5))."""
    born: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        if (fields := stat(pid)) and fields[0] not in (b"Z", b"X"):
            born[pid] = int(fields[19])
            children.setdefault(int(fields[1]), []).append(pid)
    found: dict[int, int] = {}
    left = [os.getpid()]
    while left:
        new = [child for child in children.get(left.pop(), ()) if child not in found]
        found |= {child: born[child] for child in new}
        left += new
    return found


def stat(pid: int) -> list[bytes] | None:
    """The fields behind the name, of which the first is its state; None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return None


def send(pid: int, born: int, number: signal.Signals) -> None:
    """To that process, and to no other that has its number by now."""
    try:
        process = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if (fields := stat(pid)) and int(fields[19]) == born:
            signal.pidfd_send_signal(process, number)
    except (ProcessLookupError, PermissionError):
        pass  # gone, or it has become another user: no business of ours any more
    finally:
        os.close(process)


if __name__ == "__main__":
    main()

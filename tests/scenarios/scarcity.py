"""No descriptors left, no processes left: the daemon answers, fails what fails, and recovers."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.house import House, eventually, house
from tests.invariants import Bounds
from tests.kept import entries
from tests.observer import observed
from tests.scenarios.common import SLEEPER, becomes

HIERARCHIES = (
    ("pids", Path("/sys/fs/cgroup/pids")),
    ("", Path("/sys/fs/cgroup")),
    ("", Path("/sys/fs/cgroup/unified")),
)
"""Where the pids controller may be, and how /proc/PID/cgroup names it: its own mount, or the unified one."""
PRINTS = ["sh", "-c", "echo begun; exec sleep 1000"]
"""Its line makes the daemon start the log's writer too, which needs room as the child does."""
Connect = Callable[[], socket.socket]


@contextmanager
def poor_house(root: Path, nofile: int) -> Iterator[House]:
    """A daemon that may have so many descriptors."""
    with house(root, {"sleeper": {**SLEEPER, "start_seconds": 0}}, started=False) as h:
        serve = f'ulimit -n {nofile}; exec "{sys.executable}" -m gleitzeitd --config "{h.config}"'
        with h.printed.open("ab") as printed:
            h.daemon = subprocess.Popen(
                ["sh", "-c", serve],
                env=h.environment,
                cwd=root,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
            )
        eventually(h.is_ready, "the daemon is ready")
        yield h


def descriptors_run_out(root: Path, where: str, *, nofile: int, connections: int) -> None:
    """Idle connections take all there is; `status` is answered all the same, and in the end all is well."""
    with poor_house(root, nofile) as h, observed(h, Bounds(fds=nofile)):
        pid = h.until("sleeper", "RUNNING")["pid"]
        with contextlib.ExitStack() as opened:
            _take_all(opened, _hub(h) if where == "hub" else _control(h), connections)
            assert h.view("sleeper")["state"] == "RUNNING"
            os.kill(pid, signal.SIGKILL)
            # There may be descriptors left for another child, or not: then it is a failure with a deadline.
            eventually(lambda: h.view("sleeper")["generation"] > 1, "the exit is seen")
        h.until("sleeper", "RUNNING")
    assert "Traceback" not in h.said()


def _take_all(opened: contextlib.ExitStack, connect: Connect, most: int) -> None:
    """As many connections as are to be had, up to `most`."""
    for _ in range(most):
        try:
            opened.enter_context(connect())
        except OSError:
            return  # The kernel's own queue is full as well.


def _control(h: House) -> Connect:
    def connect() -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        # A full queue makes a blocking connect wait for ever.
        client.settimeout(0.2)
        try:
            client.connect(str(h.socket))
        except OSError:
            client.close()
            raise
        return client

    return connect


def _hub(h: House) -> Connect:
    url = urlsplit(h.client.get("/v1/status")["daemon"]["hub"][0])
    return lambda: socket.create_connection((url.hostname, url.port), 0.2)


@contextmanager
def limited_processes(daemon: int) -> Iterator[Callable[[str], None]]:
    """Sets how many processes and threads the daemon and what it starts may be; all is `max`.

    RLIMIT_NPROC does not bind root, hence a control group. Skips the test where there is none to be had.
    """
    group, home = _group_of_its_own(daemon)
    try:
        yield lambda most: _write(group / "pids.max", most)
    finally:
        # What it started meanwhile may live on: it goes back to where it was.
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                _write(home / "cgroup.procs", pid)
        eventually(lambda: _removed(group), f"the control group {group} is empty")


def _group_of_its_own(daemon: int) -> tuple[Path, Path]:
    """A new control group that the daemon is in, and the one that it was in. Skips where there is none."""
    refusals = []
    for controller, mount in HIERARCHIES:
        group, home = mount / f"gleitzeit-test-{os.getpid()}-{daemon}", _home(daemon, controller, mount)
        try:
            join(group, daemon)
        except OSError as exc:
            refusals.append(str(exc))
        else:
            return group, home
    pytest.skip(f"needs a control group of the pids controller that can be written to: {refusals}")


def _home(pid: int, controller: str, mount: Path) -> Path:
    """The control group that a process is in; the uppermost where its own is out of sight."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and (mount / path.lstrip("/")).is_dir():
            return mount / path.lstrip("/")
    return mount


def join(group: Path, pid: int) -> None:
    """Put a process into a new control group that can limit it; no group is left by an OSError."""
    group.mkdir()
    try:
        _write(group / "pids.max", "max")
        _write(group / "cgroup.procs", str(pid))
    except OSError:
        group.rmdir()
        raise


def _write(path: Path, text: str) -> None:
    # Never makes a file: in a directory that is no control group it would look like one.
    with path.open("r+b", buffering=0) as file:
        file.write(text.encode())


def _removed(group: Path) -> bool:
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def fork_fails(root: Path, *, rounds: int = 1) -> None:
    """EAGAIN from fork is a failure with a deadline, and is over when there is room."""
    restart = {"initial": 0, "intensity": 0, "max_delay": 0.5}
    sleeper = {"command": PRINTS, "start_seconds": 0, "restart": restart, "max_retry_attempts": 0}
    with (
        house(root, {"sleeper": sleeper}) as h,
        observed(h),
        limited_processes(h.daemon.pid) as limit,
    ):
        for life in range(1, rounds + 1):
            _have_begun(h, life)
            pid = h.until("sleeper", "RUNNING")["pid"]
            limit("1")
            os.kill(pid, signal.SIGKILL)
            view = h.until("sleeper", "BACKOFF")
            assert '"sh" cannot be started: ' in view["reason"]
            assert view["next_in"] is not None
            limit("max")
            h.until("sleeper", "RUNNING")
        _have_begun(h, rounds + 1)
        assert "Traceback" not in h.said()


def _have_begun(h: House, lives: int) -> None:
    """Wait until the log has the line of every life, and nothing else."""
    logs = Path(h.environment["LOGS_DIRECTORY"])
    becomes(lambda: [one.text for one in entries(logs, "sleeper")], [b"begun"] * lives, "what was printed")

"""No descriptors left, no processes left: the daemon answers, fails what fails, and recovers."""

from __future__ import annotations

import contextlib
import itertools
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
from tests.observer import observed
from tests.scenarios.common import SLEEPER

PIDS = Path("/sys/fs/cgroup/pids")
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
    group = PIDS / f"gleitzeit-test-{os.getpid()}-{daemon}"
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(str(daemon))
    except OSError as exc:
        pytest.skip(f"needs a control group of the pids controller that can be written to: {exc}")
    try:
        yield lambda most: _write(group / "pids.max", most)
    finally:
        # What it started meanwhile may live on: it goes back to where it was.
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (PIDS / "cgroup.procs").write_text(pid)
        eventually(lambda: _removed(group), f"the control group {group} is empty")


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _removed(group: Path) -> bool:
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def fork_fails(root: Path, *, rounds: int = 1) -> None:
    """EAGAIN from fork is a failure with a deadline, and is over when there is room."""
    sleeper = {**SLEEPER, "start_seconds": 0, "restart": {"initial": 0, "intensity": 0, "max_delay": 0.5}}
    with (
        house(root, {"sleeper": sleeper}) as h,
        observed(h),
        limited_processes(h.daemon.pid) as limit,
    ):
        for _ in itertools.repeat(None, rounds):
            pid = h.until("sleeper", "RUNNING")["pid"]
            limit("1")
            os.kill(pid, signal.SIGKILL)
            view = h.until("sleeper", "BACKOFF")
            assert '"sleep" cannot be started: ' in view["reason"]
            assert view["next_in"] is not None
            limit("max")
            h.until("sleeper", "RUNNING")
        assert "Traceback" not in h.said()

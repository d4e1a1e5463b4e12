"""A machine whose PID 1 is a real systemd: namespaces of this one, with its files, and nothing of its state.

It needs root, the package systemd (nothing of which need be running), overlayfs and cgroup v2; `lacking` says
what is not there. Nothing that is written in it stays, except below `shared`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = Path(__file__).with_name("machine.sh")
NAMESPACES = ("--pid", "--mount", "--uts", "--ipc", "--net", "--cgroup")
ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
)
"""Of what is run in there: nothing of ours."""
PATIENCE = 30.0
"""Seconds that a boot may take; usually it is half of one."""


def lacking() -> str:
    """Why no such machine can be made here; empty when it can."""
    if os.geteuid() != 0:
        return "it takes root"
    if not Path("/lib/systemd/systemd").exists():
        return "systemd is not installed"
    systems = Path("/proc/filesystems").read_text()
    if missing := [name for name in ("overlay", "cgroup2") if f"\t{name}\n" not in systems]:
        return f"this kernel has no {missing[0]}"
    tried = subprocess.run(
        ["unshare", *NAMESPACES, "--fork", "mount", "--make-rprivate", "/"], capture_output=True
    )
    return tried.stderr.decode().strip() if tried.returncode else ""


class Machine:
    def __init__(self, directory: Path, group: Path, process: subprocess.Popen[bytes]) -> None:
        self.shared = directory / "shared"
        """The same directory in there and here."""
        self._group, self._process = group, process

    def run(self, *words: str, check: bool = True, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in there, as its root. Raises AssertionError when it fails and `check` is true."""
        entering = ["nsenter", "-t", str(self._leader()), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
        done = subprocess.run(
            [*_in_group(self._group / "tests"), *entering, "--", "env", "-i", *ENVIRONMENT, *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
        )
        if check:
            assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file in there; its directory is made if need be."""
        self.run("install", "-D", "-m", f"{mode:o}", "/dev/stdin", path, text=text)

    def until(self, *words: str, says: str) -> str:
        """What a command prints, once that has `says` in it."""
        deadline = time.monotonic() + PATIENCE
        while says not in (printed := self.run(*words, check=False).stdout):
            assert time.monotonic() < deadline, f"{words} never said {says!r}; last:\n{printed}"
            time.sleep(0.05)
        return printed

    def _leader(self) -> int:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return int(children.split()[0])

    def wait_until_booted(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self._process.poll() is None, "its systemd ended while it booted"
            with contextlib.suppress(OSError, IndexError, subprocess.TimeoutExpired):
                # systemd lets no process be in a cgroup that has others below it
                (self._group / "tests").mkdir(exist_ok=True)
                state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
                if state in ("running", "degraded"):
                    return
            assert time.monotonic() < deadline, "it has not booted in time"
            time.sleep(0.05)

    def end(self) -> None:
        with contextlib.suppress(OSError, IndexError):
            os.kill(self._leader(), signal.SIGKILL)  # its PID 1: all that is in there goes with it
        self._process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while self._group.exists() and time.monotonic() < deadline:
            for directory, _, _ in os.walk(self._group, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
            time.sleep(0.02)


@contextmanager
def machine(directory: Path) -> Iterator[Machine]:
    """One that has booted. `directory` may not be below /tmp, which is another in there."""
    (directory / "shared").mkdir(parents=True)
    group = _cgroups() / f"gleitzeit-tests-{os.getpid()}"
    group.mkdir()
    becoming = ["unshare", *NAMESPACES, "--fork", "--kill-child", "sh", str(SCRIPT), str(directory)]
    process = subprocess.Popen(
        # in its cgroup before it has a namespace of them, so that this is the root of it
        [*_in_group(group), *becoming],
        stdin=subprocess.DEVNULL,
        stderr=(directory / "boot.log").open("w"),
    )
    made = Machine(directory, group, process)
    try:
        made.wait_until_booted()
        yield made
    finally:
        made.end()


def _in_group(group: Path) -> list[str]:
    """What runs the words that follow in that cgroup."""
    return ["sh", "-c", 'echo $$ >"$1"; shift; exec "$@"', "sh", str(group / "cgroup.procs")]


def _cgroups() -> Path:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise AssertionError("no cgroup v2 is mounted here")

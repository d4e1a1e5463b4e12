"""A cgroup v2 for each life, where we may make some: nothing that was born in it can leave it.

The daemon has one directory, `gleitzeit-<pid>` below its own cgroup, and each life one in there, named
like its mark. What makes limits work, and what is said where they cannot, is in `limits`; who is put in,
and when, in `nursery`.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

PREFIX = "gleitzeit-"
DAEMON = "daemon"
"""The leaf that the daemon itself moves into where it must not stay in a directory with children."""


class Unavailable(Exception):
    """We have no cgroups; the text says why."""


class Group:
    """The cgroup of one life."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def procs(self) -> str:
        return str(self.path / "cgroup.procs")

    def add(self, pid: int) -> None:
        """Raises OSError; ESRCH when it is dead already."""
        write(self.path / "cgroup.procs", str(pid))

    def kill(self) -> bool:
        """SIGKILL to everything in it, at once; whether that could be done."""
        with contextlib.suppress(OSError):
            write(self.path / "cgroup.kill", "1")
            return True
        return False

    def is_populated(self) -> bool:
        """Whether anything in it, or in cgroups that it made itself, lives."""
        return b"populated 1" in _read(self.path / "cgroup.events")

    def pids(self) -> list[int]:
        found = list[int]()
        for directory, _, _ in os.walk(self.path):
            found.extend(map(int, _read(Path(directory, "cgroup.procs")).split()))
        return found

    def oom_kills(self) -> int:
        """How many of it the kernel killed for want of memory, as far as somebody counts."""
        counted = re.search(rb"^oom_kill (\d+)", _read(self.path / "memory.events"), re.MULTILINE)
        return int(counted[1]) if counted else 0

    def remove(self) -> bool:
        """Take it away; whether it is gone. It must be empty."""
        with contextlib.suppress(OSError):
            os.rmdir(self.path)
            return True
        for directory, _, _ in os.walk(self.path, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(directory)
        return not self.path.exists()


def own_directory() -> Path:
    """The directory of the cgroup that this process is in. Raises Unavailable."""
    place = place_of("self")
    if place is None:
        raise Unavailable("this machine has no cgroup v2")
    for line in _read(Path("/proc/self/mountinfo")).decode(errors="surrogateescape").splitlines():
        fields, _, described = line.partition(" - ")
        if described.split(" ")[0] == "cgroup2":
            root, mounted = (_unescaped(field) for field in fields.split(" ")[3:5])
            relative = os.path.relpath(place, root)
            # Outside of our namespace or of what is mounted, it is not ours to see.
            if ".." not in [*place.split("/"), *relative.split("/")]:
                return Path(os.path.normpath(os.path.join(mounted, relative)))
    raise Unavailable("the cgroup of this daemon is not mounted here")


def place_of(pid: int | str) -> str | None:
    """A process's cgroup as the kernel names it."""
    for line in _read(Path(f"/proc/{pid}/cgroup")).decode(errors="surrogateescape").splitlines():
        if line.startswith("0::"):
            return line.removeprefix("0::")
    return None


def make(parent: Path) -> Path:
    """This daemon's directory below `parent`. Raises Unavailable."""
    path = parent / f"{PREFIX}{os.getpid()}"
    # A dead daemon's that had the same pid is used again: nothing alive is left in it.
    try:
        path.mkdir(exist_ok=True)
    except OSError as exc:
        raise Unavailable(f"{parent}: {exc.strerror}") from exc
    if not (path / "cgroup.kill").exists():
        path.rmdir()
        raise Unavailable("the kernel is older than 5.14, which brought cgroup.kill")
    return path


def write(path: Path, text: str) -> None:
    """In one write, as the kernel wants it. Raises OSError."""
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)


def _read(path: Path) -> bytes:
    """Nothing when it is not there, or was taken away while we read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _unescaped(field: str) -> str:
    """Mount points have spaces and the like as octal numbers (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)

"""Who lives, written down for whoever comes after a daemon that was killed: its guardian, the next daemon.

The first line names the daemon by the machine's start, its pid and its own start, and the directory of its
cgroups. Each further line is a child that leads a session: `+pid start` when it was spawned, `-pid` when
nothing of it was left.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Self

from gleitzeitd.processes.containment.guardian import boot
from gleitzeitd.processes.containment.marker import own_start
from gleitzeitd.processes.containment.strays import Stat

MODE = 0o600
LONGEST = 2000
"""Lines until it is written anew with the living alone."""


class Record:
    def __init__(self, path: Path, cgroups: Path | None = None) -> None:
        """Replaces what is there. Raises OSError."""
        self.path = path
        self.cgroups = cgroups
        self._first = f"{boot()} {os.getpid()} {own_start()} {cgroups or ''}\n"
        self._living = dict[int, int]()
        self._file = -1
        self._lines = 0
        self._is_torn = False
        self._begin()

    def _begin(self) -> None:
        """Write it anew, so that there always is a whole one."""
        draft = f"{self.path}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        file = os.open(draft, flags, MODE)
        living = "".join(f"+{pid} {started}\n" for pid, started in self._living.items())
        try:
            os.fchmod(file, MODE)  # open honours the umask.
            if not _is_written(file, self._first + living):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.rename(draft, self.path)
        except OSError:
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._lines, self._is_torn = file, len(self._living), False

    def spawned(self, pid: int) -> None:
        """It leads a session: that names what has cleared its environment and is in no cgroup."""
        stat = None if pid in self._living else Stat.of(pid)
        if stat is not None:
            self._living[pid] = stat.started
            self._add(f"+{pid} {stat.started}\n")

    def cleared(self, pid: int) -> None:
        """Nothing of what it began is left."""
        if self._living.pop(pid, None) is not None:
            self._add(f"-{pid}\n")

    def _add(self, line: str) -> None:
        # What cannot be written is still marked, and is in its cgroup.
        with contextlib.suppress(OSError):
            # After half a line, on a full disk, the next one must not become a part of it.
            self._is_torn = not _is_written(self._file, f"\n{line}" if self._is_torn else line)
            self._lines += 1
            if self._lines > LONGEST + len(self._living):
                self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The daemon ends in order. Who lives on all the same stays written down for the next."""
        os.close(self._file)
        if not self._living:
            self.path.unlink(missing_ok=True)


def _is_written(file: int, text: str) -> bool:
    """Whether all of it is. Raises OSError."""
    content = text.encode(errors="surrogateescape")
    return os.write(file, content) == len(content)

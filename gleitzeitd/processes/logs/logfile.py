"""The file that one instance's output is kept in: opened safely, checked, rotated; whole records only.

All of it may block on the disk: only the writer calls it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Sequence

import structlog

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs.archive import MODE, Archive

log = structlog.get_logger("gleitzeitd")
MOST_BLOCKS = 1024
"""Of one write (IOV_MAX of writev(2))."""
LOOK_AGAIN = 1.0
"""Seconds after which one looks whether the file is still the one of that name, or can be rotated again."""
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A FIFO or a link in the file's place must not hold or lead astray the daemon."""


class LogFile:
    def __init__(self, path: str, logs: Logs, archive: Archive) -> None:
        self.written = 0
        """Bytes of the last `append` that are in the file, also when it raised."""
        self._path = path
        self.limit = logs.size
        self._archive = archive
        self._file: int | None = None
        self._size = 0
        self._is_torn = False
        self._looked = 0.0
        self._rotate_again = 0.0

    def append(self, records: Sequence[bytes]) -> None:
        """Write whole records. Raises OSError when not all could be written."""
        self.written = 0
        self._be_open()
        if self._is_torn:
            # What was left of a record, by a full disk or a daemon that died, must not swallow the next.
            self._write((b"\n",))
            self.written = 0
        if self._size + sum(map(len, records)) <= self.limit:
            for start in range(0, len(records), MOST_BLOCKS):
                self._write(records[start : start + MOST_BLOCKS])
        else:
            self._write_over(b"".join(records))

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write_over(self, data: bytes) -> None:
        """Write what needs more than one file, or cannot be rotated."""
        start = 0
        while start < len(data):
            end = data.rfind(b"\n", start, max(start, start + self.limit - self._size)) + 1
            if not end and self._size and self._rotate():
                continue
            if not end:
                # A record that is larger than a file, or a file that cannot be rotated.
                end = data.find(b"\n", start) + 1 if not self._size else len(data)
            self._write((data[start:end],))
            start = end

    def _write(self, blocks: Sequence[bytes]) -> None:
        assert self._file is not None
        written, size = os.writev(self._file, blocks), sum(map(len, blocks))
        self._count(written)
        if written == size:
            self._is_torn = False
            return
        data = b"".join(blocks)
        while written < size:
            self._is_torn = data[written - 1 : written] != b"\n" if written else self._is_torn
            more = os.write(self._file, data[written:])
            self._count(more)
            written += more
        self._is_torn = False

    def _count(self, written: int) -> None:
        self.written += written
        self._size += written

    def _rotate(self) -> bool:
        """Whether there is room now. Without rotation what is printed is kept all the same."""
        now = time.monotonic()
        if now < self._rotate_again:
            return False
        held = self._size
        if not self._is_another():
            if self._size < held:
                # Somebody else copied and emptied it.
                return True
            try:
                self._archive.rotate()
            except OSError as exc:
                if not self._rotate_again:
                    log.warning("log cannot be rotated", file=self._path, reason=exc.strerror)
                self._rotate_again = now + LOOK_AGAIN
                return False
        self._rotate_again = 0.0
        self.close()
        self._be_open()
        return True

    def _be_open(self) -> None:
        """Have the file of that name open: it may have been renamed or deleted under us."""
        now = time.monotonic()
        if self._file is not None and now >= self._looked + LOOK_AGAIN:
            self._looked = now
            if self._is_another():
                self.close()
        if self._file is None:
            self._open()
            self._looked = now

    def _is_another(self) -> bool:
        assert self._file is not None
        ours = os.fstat(self._file)
        self._size = ours.st_size
        with contextlib.suppress(OSError):
            return not os.path.samestat(ours, os.lstat(self._path))
        return True

    def _open(self) -> None:
        file = os.open(self._path, FLAGS, MODE)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(os.close, file)
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "Not a regular file")
            # open honours the umask; a file that somebody else made for us is left as it is.
            with contextlib.suppress(PermissionError):
                os.fchmod(file, MODE)
            self._size = status.st_size
            self._is_torn = self._size > 0 and os.pread(file, 1, self._size - 1) != b"\n"
            on_failure.pop_all()
        self._file = file

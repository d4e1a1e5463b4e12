"""The older files of one log: `name.log.1` as it was written, `name.log.2.gz` and so on compressed.

Every step is one rename to a free name: a daemon that dies between any two of them loses no file, and the
next rotation finds its way. Only the writer renames; compressing, which takes long, happens elsewhere.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass

GZIPPED = ".gz"
KINDS = ("", GZIPPED)
MODE = 0o640
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Packing:
    """A file to be compressed. Its name may change meanwhile: its identity does not."""

    source: int
    target: str

    def run(self) -> bool:
        """Compress it, on whatever thread this is. False when that failed."""
        try:
            with open(self.source, "rb", closefd=False) as source, open(self._made(), "wb") as target:
                with gzip.GzipFile(filename="", fileobj=target, mode="wb") as packed:
                    shutil.copyfileobj(source, packed, PIECE)
                target.flush()
                os.fsync(target.fileno())
        except OSError:
            return False
        return True

    def _made(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(self.target, flags, MODE)
        os.fchmod(target, MODE)  # open honours the umask.
        return target


class Archive:
    def __init__(self, path: str, files: int, pack: Callable[[Packing], None]) -> None:
        """`pack`: have it run, and tell the writer, who calls `publish`."""
        self._path = path
        self.files = files
        self._pack = pack
        self._packing: Packing | None = None

    def rotate(self) -> None:
        """Make the newest of the older files of the log. Raises OSError."""
        if not self.files:
            self._drop_from(1)
            os.unlink(self._path)
            return
        free = self._first_free()
        for number in range(free, 1, -1):
            for kind in self._kinds(number - 1):
                os.rename(self._name(number - 1, kind), self._name(number, kind))
        os.rename(self._path, self._name(1))
        with contextlib.suppress(OSError):
            self._pack_next()

    def publish(self, packing: Packing, is_complete: bool) -> None:
        """Put what was compressed in the place of what it was made of, wherever that is by now."""
        self._packing = None
        number = self._find(os.fstat(packing.source))
        os.close(packing.source)
        with contextlib.suppress(OSError):
            if is_complete and number is not None:
                os.rename(packing.target, self._name(number, GZIPPED))
                os.unlink(self._name(number))
            else:
                os.unlink(packing.target)
            if is_complete:
                self._pack_next()

    def _pack_next(self) -> None:
        """Compress the oldest that is not; `.1` is left to those who are still reading it."""
        if self._packing is not None:
            return
        target = f"{self._path}{GZIPPED}.tmp"
        with contextlib.suppress(FileNotFoundError):
            # Left over by a daemon that died.
            os.unlink(target)
        for number in range(self.files, 1, -1):
            kinds = self._kinds(number)
            if kinds == KINDS:
                # A daemon died between the two steps of `publish`.
                os.unlink(self._name(number))
            elif kinds == ("",) and (source := _opened(self._name(number))) is not None:
                self._packing = Packing(source, target)
                self._pack(self._packing)
                return

    def _first_free(self) -> int:
        """The number of a free place; the last is made free where there is none."""
        for number in range(1, self.files):
            if not self._kinds(number):
                return number
        self._drop_from(self.files)
        return self.files

    def _drop_from(self, number: int) -> None:
        while kinds := self._kinds(number):
            for kind in kinds:
                os.unlink(self._name(number, kind))
            number += 1

    def _find(self, wanted: os.stat_result) -> int | None:
        for number in range(1, self.files + 1):
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(self._name(number)), wanted):
                    return number
        return None

    def _kinds(self, number: int) -> tuple[str, ...]:
        return tuple(kind for kind in KINDS if os.path.lexists(self._name(number, kind)))

    def _name(self, number: int, kind: str = "") -> str:
        return f"{self._path}.{number}{kind}"


def _opened(path: str) -> int | None:
    """A descriptor of a plain file; None for anything else."""
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if stat.S_ISREG(os.fstat(source).st_mode):
        return source
    os.close(source)
    return None

"""Whether a file's bytes are others than before: to touch it, or to save it as it was, changes nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

LARGEST = 1024 * 1024
"""Bytes of a file that are compared; of a larger one its size and time are."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What one file held when it was looked at."""

    mark: tuple[int, int, int]
    """Its inode, size and time: the same contents have the same, unless somebody meddles with the clock."""
    digest: bytes = b""
    """Empty: not read as yet."""

    def differ(self, before: Contents | None) -> bool:
        if before is None:
            return True
        return self.digest != before.digest if before.digest else self.mark != before.mark


def glance(file: str) -> Contents | None:
    """What can be told without reading it; None when it is not there."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return Contents(_mark(found))


def read(files: Iterable[str], before: Mapping[str, Contents]) -> dict[str, Contents]:
    """The contents of those files that may differ from `before`. What cannot be read is left out: it may
    be in the middle of a save."""
    found = {file: now for file in files if (now := glance(file)) and not _is_same(now, before.get(file))}
    return {file: now for file in found if (now := _read(file))}


def _is_same(now: Contents, before: Contents | None) -> bool:
    return before is not None and before.digest != b"" and before.mark == now.mark


def _read(file: str) -> Contents | None:
    try:
        # Something else, such as a FIFO, may have taken its place: it must not hold us.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        mark = _mark(found)
        if not stat.S_ISREG(found.st_mode):
            return None
        kept = repr(mark[1:]).encode() if found.st_size > LARGEST else stream.read(LARGEST)
    return Contents(mark, hashlib.blake2b(kept).digest())


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns

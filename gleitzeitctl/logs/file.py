"""One file of one instance: read forwards from a time on, or backwards from its end, and never all at once.

What is not wanted is not cut into lines: a search goes over the bytes, and a time is found by halving.
"""

from __future__ import annotations

import gzip
import mmap
import os
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gleitzeitctl.logs.records import Record, Wanted, parse

PIECE = 1024 * 1024
"""Bytes that are unpacked or walked at a time."""
TIME = 30
"""Bytes of a time."""


def forwards(path: str, instance: str, wanted: Wanted) -> Iterator[Record]:
    """The records that are wanted, oldest first. Raises OSError."""
    for raw in _packed(path) if path.endswith(".gz") else _plain(path, wanted):
        record = parse(instance, raw)
        if record is None:
            continue
        if wanted.until and record.time >= wanted.until:
            return
        if wanted.fits(record):
            yield record


def backwards(path: str, instance: str) -> Iterator[Record]:
    """All records, newest first. Raises OSError."""
    if path.endswith(".gz"):
        lines: Iterator[bytes] = reversed(list(_packed(path)))
    else:
        lines = _plain_backwards(path)
    return (record for raw in lines if (record := parse(instance, raw)))


def first_time(path: str) -> bytes:
    """Of its first record; empty when it has none. Raises OSError."""
    with _opened(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        if path.endswith(".gz"):
            with suppress(EOFError, zlib.error):
                return gzip.GzipFile(fileobj=file).read(TIME)
            return b""
        return file.read(TIME)


def _plain(path: str, wanted: Wanted) -> Iterator[bytes]:
    with _mapped(path) as data:
        at = _start(data, wanted.since) if wanted.since else 0
        find = wanted.finder()
        while at < len(data):
            if find:
                found = find(data, at)
                if found < 0:
                    return
                at = data.rfind(b"\n", at, found) + 1 or at
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end
            yield data[at:end]
            at = end + 1


def _plain_backwards(path: str) -> Iterator[bytes]:
    with _mapped(path) as data:
        # what has no line end yet is still being written
        end = data.rfind(b"\n") if len(data) else -1
        while end >= 0:
            start = data.rfind(b"\n", 0, end)
            yield data[start + 1 : end]
            end = start


def _start(data: mmap.mmap | bytes, since: bytes) -> int:
    """Where the first line begins that is not older. Times ascend in a file."""
    low, high = 0, len(data)
    while low < high:
        middle = (low + high) // 2
        line = data.rfind(b"\n", low, middle) + 1 or low
        if data[line : line + TIME] < since[:TIME]:
            end = data.find(b"\n", middle)
            low = high if end < 0 else min(end + 1, high)
        else:
            high = line
    return low


def _packed(path: str) -> Iterator[bytes]:
    """The lines of a compressed file; one that was cut off has those before the cut."""
    rest = b""
    with _opened(path) as descriptor, os.fdopen(os.dup(descriptor), "rb") as file:
        unpacked = gzip.GzipFile(fileobj=file)
        try:
            while piece := unpacked.read(PIECE):
                *whole, rest = (rest + piece).split(b"\n")
                yield from whole
        except (EOFError, zlib.error):
            return


@contextmanager
def _mapped(path: str) -> Iterator[mmap.mmap | bytes]:
    with _opened(path) as descriptor:
        size = os.fstat(descriptor).st_size
        if not size:
            yield b""
            return
        with mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) as data:
            yield data


@contextmanager
def _opened(path: str) -> Iterator[int]:
    """A FIFO or a link in the file's place must not hold us or lead us astray."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "it is not a file", path)
        yield descriptor
    finally:
        os.close(descriptor)

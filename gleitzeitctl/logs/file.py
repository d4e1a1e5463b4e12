"""One file of one instance: read forwards from a time on, or backwards from its end, and never all at once.

Pieces are searched as they are; a line is cut out only where it may be wanted. Nothing is mapped: who empties
a file while it is read would kill the reader.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

from gleitzeitctl.logs.records import Record, Wanted, parse

PIECE = 256 * 1024
"""Bytes that are read at a time: as many as a processor has at hand."""
TIME = 30
"""Bytes of a time."""
BLOCK = 8192
"""Bytes of a look."""
Tell = Callable[[str], None]


class Lines(NamedTuple):
    """Whole lines, with their ends: those in some bytes from `start` to `end`."""

    data: bytes
    start: int = 0
    end: int = sys.maxsize

    def time(self) -> bytes:
        """Of the first; empty when it is no record."""
        time = self.data[self.start : self.start + TIME]
        return time if time.endswith(b"Z") else b""

    def each(self) -> list[bytes]:
        return self.data[self.start : self.end].split(b"\n")


NO_LINES = Lines(b"")


class File(NamedTuple):
    """It is open: its name may be another's by now."""

    path: str
    instance: str
    descriptor: int
    tell: Tell
    """Told a sentence about what of it cannot be read."""

    @property
    def is_packed(self) -> bool:
        return self.path.endswith(".gz")

    def forwards(self, wanted: Wanted) -> Iterator[Record]:
        """The records that are wanted, oldest first."""
        start = 0 if self.is_packed or not wanted.since else self._around(wanted.since)[0]
        for lines in self._pieces(start):
            if wanted.until and lines.time() >= wanted.until:
                return
            yield from found(lines, self.instance, wanted)

    def backwards(self, wanted: Wanted, count: int) -> Iterator[Record]:
        """At most `count` of the records that are wanted, newest first."""
        if self.is_packed:
            yield from reversed(deque(self.forwards(wanted), count))
        else:
            yield from islice(self._backwards(wanted), count)

    def first_time(self) -> bytes:
        """Of its first record; empty when it has none."""
        return next(self._pieces(0, BLOCK), NO_LINES).time()

    def last_time(self) -> bytes:
        """Of its last record, when it is not compressed; empty when it has none."""
        return next((record.time for record in self._backwards(Wanted())), b"")

    def _backwards(self, wanted: Wanted) -> Iterator[Record]:
        size = os.fstat(self.descriptor).st_size
        for lines in self._pieces_backwards(self._around(wanted.until)[1] if wanted.until else size):
            yield from reversed(list(found(lines, self.instance, wanted)))
            if b"" < lines.time() < wanted.since:
                return

    def _pieces(self, start: int, size: int = PIECE) -> Iterator[Lines]:
        """Whole lines. What has no line end yet is still being written."""
        rest = b""
        for data in self._unpacked(size) if self.is_packed else self._read(start, size):
            first, end = data.find(b"\n") + 1, data.rfind(b"\n") + 1
            if not end:
                rest += data
                continue
            # only the line that lies on the border is put together: the others are as they were read
            yield Lines(rest + data[:first])
            yield Lines(data, first, end)
            rest = data[end:]

    def _pieces_backwards(self, end: int) -> Iterator[Lines]:
        """Whole lines, the last of them first."""
        rest, size = b"", BLOCK
        while end > 0:
            # the last few lines are what is wanted most often
            start, size = max(end - size, 0), min(2 * size, PIECE)
            data = self._at(start, end - start)
            end = start
            first, last = data.find(b"\n") + 1 if start else 0, data.rfind(b"\n") + 1
            if rest and (last or not start):
                yield Lines(data[last:] + rest)
            if last:
                yield Lines(data, first, last)
                rest = data[:first]
            elif rest:
                # what comes after the last line end of all is still being written
                rest = data + rest

    def _read(self, at: int, size: int) -> Iterator[bytes]:
        while data := self._at(at, size):
            yield data
            at += len(data)

    def _unpacked(self, size: int) -> Iterator[bytes]:
        import gzip

        try:
            os.lseek(self.descriptor, 0, os.SEEK_SET)
            with os.fdopen(os.dup(self.descriptor), "rb") as file:
                unpacked = gzip.GzipFile(fileobj=file)
                while data := unpacked.read(size):
                    yield data
        except (EOFError, zlib.error, OSError):
            self.tell(f"{self.path} is damaged: it is read up to there")

    def _around(self, time: bytes) -> tuple[int, int]:
        """The beginning of a line before which all is older, and the end of one after which nothing is.

        They lie a block apart, or little more. Times ascend in a file.
        """
        low, high = 0, os.fstat(self.descriptor).st_size
        while high - low > BLOCK:
            middle = (low + high) // 2
            line, when = self._line_after(middle)
            if line >= high or when >= time:
                high = middle
            else:
                low = line
        return low, self._line_after(high)[0]

    def _line_after(self, at: int) -> tuple[int, bytes]:
        """Where the next record begins, and its time; the end of the file without one."""
        while data := self._at(at, BLOCK):
            end = data.find(b"\n") + 1
            at += end or len(data)
            if end and len(when := self._at(at, TIME)) == TIME and when.endswith(b"Z"):
                return at, when
        return at, b"\xff"

    def _at(self, at: int, size: int) -> bytes:
        try:
            return os.pread(self.descriptor, size, at)
        except OSError as exc:
            self.tell(f"{self.path} cannot be read on: {exc.strerror}")
            return b""


def found(lines: Lines, instance: str, wanted: Wanted) -> Iterator[Record]:
    """The records in them that are wanted."""
    for line in _candidates(lines, wanted) if wanted.needles else lines.each():
        if (record := parse(instance, line)) and wanted.fits(record):
            yield record


def _candidates(lines: Lines, wanted: Wanted) -> Iterator[bytes]:
    """Those that have one of the needles in them."""
    data, start, end = lines
    text = data.lower() if wanted.ignores_case else data
    hits = {needle: text.find(needle, start, end) for needle in wanted.needles}
    while ahead := [hit for hit in hits.values() if hit >= 0]:
        hit = min(ahead)
        line_end = data.find(b"\n", hit)
        yield data[data.rfind(b"\n", start, hit) + 1 or start : line_end]
        for needle, at in hits.items():
            if 0 <= at < line_end:
                hits[needle] = text.find(needle, line_end, end)

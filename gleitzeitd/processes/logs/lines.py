"""From bytes to lines of the CRI log format, which log shippers read with a stock parser.

`<RFC 3339 time> stdout|stderr F|P <line>`; P marks a part of a line that goes on in the next record. Bytes
are kept in chunks as they came, and lines are cut only where somebody wants lines.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace

LONGEST_LINE = 16 * 1024
"""Bytes of one record; a longer line becomes several."""
CHUNK_COST = 200
"""Bytes that a chunk is counted with beside its text, so that the smallest are bounded as well."""


def stamp() -> str:
    now = datetime.datetime.now(datetime.UTC)
    return now.isoformat(timespec="microseconds").replace("+00:00", "000Z")


@dataclass(frozen=True, slots=True)
class Record:
    """A line, or a part of one, as it came."""

    instance: str
    time: str
    stream: str
    line: bytes
    partial: bool

    def cri(self) -> bytes:
        tag = "P" if self.partial else "F"
        return f"{self.time} {self.stream} {tag} ".encode() + self.line + b"\n"

    def shown(self) -> str:
        return self.line.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read of one stream at one time: lines with their ends, and perhaps a last one without."""

    instance: str
    time: str
    stream: str
    data: bytes
    goes_on: bool = False
    """After the last line end stands a part of a line that the next chunk of the stream goes on with."""

    @property
    def cost(self) -> int:
        return len(self.data) + CHUNK_COST

    def records(self) -> Iterator[Record]:
        return (record for record, _ in self._cut())

    def cri(self) -> bytes:
        """All records, as they stand in the file."""
        if not self._is_plain():
            return b"".join(record.cri() for record in self.records())
        prefix = f"{self.time} {self.stream} F ".encode()
        return prefix + self.data.replace(b"\n", b"\n" + prefix)[: -len(prefix)]

    def kept(self, written: int) -> int:
        """How many bytes of `data` stand in the first `written` bytes of `cri()`."""
        kept = 0
        for record, size in self._cut():
            length = len(record.cri())
            kept += min(max(0, written - (length - len(record.line) - 1)), size)
            written = max(0, written - length)
        return kept

    def is_open(self, written: int) -> bool | None:
        """Whether the first `written` bytes of `cri()` end within a line; None when they hold no record."""
        is_open = None
        for record, _ in self._cut():
            length = len(record.cri())
            if written < length - len(record.line) - 1:
                break
            is_open = record.partial
            written -= length
        return is_open

    @property
    def ends_open(self) -> bool:
        """Whether its last record is a part of a line that goes on."""
        return self.goes_on and not self.data.endswith(b"\n")

    def split(self, count: int) -> Iterator[Chunk]:
        """About `count` chunks of much the same size, cut between lines: their records are the same."""
        size = len(self.data) // count
        start = 0
        while start < len(self.data):
            end = self.data.find(b"\n", start + size) + 1 or len(self.data)
            yield replace(self, data=self.data[start:end])
            start = end

    def last(self, count: int) -> tuple[Chunk, int]:
        """The chunk without all but its last `count` records, and how many these are."""
        if not self._is_plain():
            sizes = [size for _, size in self._cut()][-count:]
            return replace(self, data=self.data[-sum(sizes) :]), len(sizes)
        start, found = len(self.data), 0
        while start and found < count:
            start = self.data.rfind(b"\n", 0, start - 1) + 1
            found += 1
        return (replace(self, data=self.data[start:]) if start else self), found

    def _is_plain(self) -> bool:
        """Whether every line is whole: nearly always so, and found without a look at every line."""
        start = 0
        while len(self.data) - start > LONGEST_LINE + 1:
            start = self.data.rfind(b"\n", start, start + LONGEST_LINE + 1) + 1
            if not start:
                return False
        return self.data.endswith(b"\n")

    def _cut(self) -> Iterator[tuple[Record, int]]:
        """Each record, and the bytes of `data` that it takes, with a line end that is the child's."""
        start = 0
        while start < len(self.data):
            end = self.data.find(b"\n", start, start + LONGEST_LINE + 1)
            if end >= 0:
                size, partial = end + 1 - start, False
            else:
                end = min(len(self.data), start + LONGEST_LINE)
                size, partial = end - start, self.goes_on or end < len(self.data)
            yield Record(self.instance, self.time, self.stream, self.data[start:end], partial), size
            start += size


class Lines:
    """Holds back what has no line end yet, up to the length of a record."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What can be given of all that came, and whether its last line goes on."""
        data = self.rest + data
        end = data.rfind(b"\n") + 1
        parts = max(0, len(data) - end - 1) // LONGEST_LINE
        end += parts * LONGEST_LINE
        self.rest = data[end:]
        return data[:end], parts > 0

    def end(self) -> bytes:
        """What was left without a line end."""
        rest, self.rest = self.rest, b""
        return rest

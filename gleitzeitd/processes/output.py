"""What one instance prints: kept in a file, in a ring in memory, and handed to those who follow.

The file is in the CRI log format, which log shippers read with a stock parser:
`<RFC 3339 time> stdout|stderr F|P <line>`; P marks a part of a line that goes on in the next record.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import anyio

READ_SIZE = 64 * 1024
LONGEST_LINE = 16 * 1024
"""Bytes of one record; a longer line becomes several."""
RING_SIZE = 256 * 1024
FOLLOWER_SIZE = 1024 * 1024
"""Bytes that a slow follower may lag behind before records are dropped for it, and counted."""
TAIL = 20
"""Lines that are kept of one life, to tell how it ended."""
RECORD_COST = 200
"""Bytes that a record is counted with beside its text, so that empty lines are bounded as well."""


@dataclass(frozen=True, slots=True)
class Record:
    """A line, or a part of one, as it came."""

    instance: str
    time: str
    stream: str
    line: bytes
    partial: bool

    @property
    def cost(self) -> int:
        return len(self.line) + RECORD_COST

    def cri(self) -> bytes:
        tag = "P" if self.partial else "F"
        return f"{self.time} {self.stream} {tag} ".encode() + self.line + b"\n"

    def shown(self) -> str:
        return self.line.decode("utf-8", "replace")


class Lines:
    """Cuts a stream of bytes into lines of bounded length."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Each line that `data` completes, without its end, and whether it is only a part."""
        *whole, rest = (self._rest + data).split(b"\n")
        for line in whole:
            *parts, last = _cut(line)
            yield from ((part, True) for part in parts)
            yield last, False
        *parts, self._rest = _cut(rest)
        yield from ((part, True) for part in parts)

    def end(self) -> Iterator[tuple[bytes, bool]]:
        """What was left without a line end."""
        if self._rest:
            yield self._rest, False
        self._rest = b""


def _cut(line: bytes) -> list[bytes]:
    """The line in pieces of bounded length; the last is what remains, the whole line where it is short."""
    if len(line) <= LONGEST_LINE:
        return [line]
    return [line[start : start + LONGEST_LINE] for start in range(0, len(line), LONGEST_LINE)]


class Ring:
    """The newest records, up to a number of bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._records: deque[Record] = deque()

    def add(self, record: Record) -> None:
        self._records.append(record)
        self._held += record.cost
        while self._held > self._size:
            self._held -= self._records.popleft().cost

    def __iter__(self) -> Iterator[Record]:
        return iter(tuple(self._records))


class Follower:
    """One reader of new records. What it is too slow for is counted in `missed` (bytes)."""

    def __init__(self) -> None:
        self._waiting: deque[Record] = deque()
        self._held = 0
        self._news = anyio.Event()
        self.missed = 0

    def offer(self, records: Iterable[Record]) -> None:
        for record in records:
            # Once something is missed all that follows is, so that the gap lies in one place.
            if self.missed or self._held + record.cost > FOLLOWER_SIZE:
                self.missed += len(record.line) + 1
                continue
            self._waiting.append(record)
            self._held += record.cost
        self._news.set()

    async def take(self) -> tuple[list[Record], int]:
        """All records since the last call, at least one, and the bytes that were missed after them."""
        while not self._waiting and not self.missed:
            self._news = anyio.Event()
            await self._news.wait()
        records, missed = list(self._waiting), self.missed
        self._waiting.clear()
        self._held = self.missed = 0
        return records, missed


class Output:
    """All that one instance prints over its generations."""

    def __init__(self, instance: str, path: str) -> None:
        self.instance = instance
        self.path = path
        self.lost = 0
        """Bytes that could not be written to the file."""
        self._ring = Ring(RING_SIZE)
        self._followers: set[Follower] = set()
        self._file: int | None = None
        self._torn = False

    def last(self, count: int, stream: str | None = None) -> list[Record]:
        """The newest `count` records, oldest first."""
        wanted = [record for record in self._ring if stream in (None, record.stream)]
        return wanted[len(wanted) - min(count, len(wanted)) :]

    @contextlib.contextmanager
    def followed(self, follower: Follower) -> Iterator[None]:
        self._followers.add(follower)
        try:
            yield
        finally:
            self._followers.discard(follower)

    def add(self, stream: str, lines: Iterable[tuple[bytes, bool]]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
        records = [Record(self.instance, now, stream, line, partial) for line, partial in lines]
        if not records:
            return
        for record in records:
            self._ring.add(record)
        for follower in self._followers:
            follower.offer(records)
        self._write(b"".join(record.cri() for record in records))

    def _write(self, data: bytes) -> None:
        try:
            if self._file is None:
                # A FIFO in the file's place must not hold the daemon.
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                self._file = os.open(self.path, flags, 0o640)
                if stat.S_ISREG(os.fstat(self._file).st_mode):
                    os.fchmod(self._file, 0o640)  # open honours the umask.
            # A record that was torn by a full disk must not swallow the next one.
            torn = b"\n" if self._torn else b""
            written = max(0, os.write(self._file, torn + data) - len(torn))
        except OSError:
            written = 0
        else:
            self._torn = data[:written][-1:] not in (b"", b"\n") or (self._torn and not written)
        self.lost += len(data) - written

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Reader:
    """Reads one pipe of one child into the instance's output, until its end."""

    def __init__(self, descriptor: int, stream: str, output: Output) -> None:
        self._descriptor = descriptor
        self._stream = stream
        self._output = output
        self._lines = Lines()
        self._tail: deque[bytes] = deque(maxlen=TAIL)
        self._open = True

    def tail(self) -> list[str]:
        """The last lines that came through this pipe, with what has no line end yet."""
        unfinished = [line for line, _ in self._lines.end()]
        self._output.add(self._stream, ((line, False) for line in unfinished))
        return [line.decode("utf-8", "replace") for line in (*self._tail, *unfinished)][-TAIL:]

    def read(self) -> bool:
        """Take what is there, without waiting. False at the end or when nothing is there now."""
        if not self._open:
            return False
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except BlockingIOError:
            return False
        self._open = bool(data)
        lines = list(self._lines.feed(data) if data else self._lines.end())
        self._tail.extend(line for line, _ in lines[-TAIL:])
        self._output.add(self._stream, lines)
        return self._open

    def drain(self, limit: int = 1024 * 1024) -> None:
        """Take what is in the pipe now, at most about `limit` bytes."""
        for _ in range(limit // READ_SIZE):
            if not self.read():
                return

    async def run(self) -> None:
        """Read until the last writer closed it; closes the pipe."""
        try:
            while self._open:
                await anyio.wait_readable(self._descriptor)
                self.read()
        finally:
            self._output.add(self._stream, self._lines.end())
            os.close(self._descriptor)

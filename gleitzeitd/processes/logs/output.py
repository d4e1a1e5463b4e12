"""What one instance prints: read from its pipes, kept in a file and in memory, and handed to followers.

Nothing here touches the disk: what is printed goes into the backlog of the writer, a thread of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

import anyio
import structlog

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs.backlog import TOO_SLOW
from gleitzeitd.processes.logs.follower import Follower
from gleitzeitd.processes.logs.lines import Chunk, Lines, Record, stamp
from gleitzeitd.processes.logs.ring import Ring, newest
from gleitzeitd.processes.logs.writer import WRITER, Writer

log = structlog.get_logger("gleitzeitd")
AS_USUAL = Logs()
READ_SIZE = 256 * 1024
FLOOD = 32 * 1024
"""Bytes that one read brings where somebody prints much: there is no need to let more gather."""
PIPE_SIZE = 512 * 1024
"""What the pipe of one who prints much may hold: with the kernel's 64 KiB each waits for the other."""
TURN = 4
"""Reads in a row, after which others have their turn."""
PAUSE = 0.001
"""Seconds in which small writes may gather: to be woken for each costs the writer more than the write."""
RING_SIZE = 256 * 1024
TAIL_SIZE = 32 * 1024
TAIL = 20
"""Lines that are told of one life, to show how it ended."""
LAST_MOMENT = 2.0
"""Seconds that the end waits for what is not written yet."""


class Output:
    """All that one instance prints over its generations."""

    def __init__(self, instance: str, path: str, logs: Logs = AS_USUAL, writer: Writer = WRITER) -> None:
        self.instance = instance
        self.path = path
        self._ring = Ring(RING_SIZE)
        self._followers: set[Follower] = set()
        self._writer = writer
        self._sink = writer.sink(instance, path, logs)
        self._is_dropping = False

    def limit(self, logs: Logs) -> None:
        """How much is kept from now on."""
        self._sink.limit(logs)

    @property
    def lost(self) -> int:
        """Bytes that could not be written to the file."""
        return self._sink.lost

    def last(self, count: int, stream: str | None = None) -> list[Record]:
        """The newest `count` records, oldest first."""
        return [record for chunk in self.newest(count, stream) for record in chunk.records()]

    def newest(self, count: int, stream: str | None = None) -> list[Chunk]:
        """The same, not cut yet."""
        return newest((chunk for chunk in self._ring if stream in (None, chunk.stream)), count)

    @contextlib.contextmanager
    def followed(self, follower: Follower) -> Iterator[None]:
        self._followers.add(follower)
        try:
            yield
        finally:
            self._followers.discard(follower)

    def add(self, stream: str, data: bytes, *, goes_on: bool = False) -> None:
        """`goes_on`: after the last line end stands a part of a line."""
        if data:
            self.put(Chunk(self.instance, stamp(), stream, data, goes_on))

    def put(self, chunk: Chunk) -> None:
        self._ring.add(chunk)
        for follower in self._followers:
            follower.offer(chunk)
        is_kept = self._sink.backlog.put(chunk)
        if not is_kept and not self._is_dropping:
            log.warning("output is dropped", name=self.instance, reason=TOO_SLOW)
        self._is_dropping = not is_kept

    @property
    def is_full(self) -> bool:
        """Whether one should wait for `room` before one reads on."""
        return self._sink.backlog.is_full

    async def room(self) -> None:
        """Wait until the file has caught up, but not for a disk that hangs."""
        await self._sink.backlog.room()

    def flush(self, timeout: float = LAST_MOMENT) -> bool:
        """Block until all is written or given up. False when that takes too long."""
        return self._sink.backlog.wait(timeout)

    def close(self, timeout: float = LAST_MOMENT) -> None:
        """Write what is left and close the file; what is added later opens it again. Blocks."""
        if not self._writer.close(self._sink, timeout):
            log.warning("output was not written in time", name=self.instance)


class Reader:
    """Reads one pipe of one child into the instance's output, until its end."""

    def __init__(self, descriptor: int, stream: str, output: Output) -> None:
        self._descriptor = descriptor
        self._stream = stream
        self._output = output
        self._lines = Lines()
        self._tail = Ring(TAIL_SIZE)
        self._open = True
        self._is_wide = False

    def tail(self) -> list[str]:
        """The last lines that came through this pipe, with what has no line end yet."""
        self._take_rest()
        chunks = newest(self._tail, TAIL)
        return [record.shown() for chunk in chunks for record in chunk.records()]

    def read(self) -> int:
        """Take what is there now: how many bytes. Never waits; 0 at the end as well."""
        if not self._open:
            return 0
        try:
            data = os.read(self._descriptor, READ_SIZE)
        except BlockingIOError:
            return 0
        self._open = bool(data)
        self._give(*self._lines.feed(data))
        if len(data) >= FLOOD:
            self._widen()
        return len(data)

    def drain(self) -> None:
        """Take what is in the pipe now, as far as there is room; `run` takes the rest."""
        for _ in range(PIPE_SIZE // READ_SIZE):
            if self._output.is_full or not self.read():
                return

    def _take_rest(self) -> None:
        """Take what is in the pipe now, and what was held back for its line end."""
        left = PIPE_SIZE
        while left > 0 and (taken := self.read()):
            left -= taken
        self._give(self._lines.end())

    async def run(self) -> None:
        """Read until the last writer closed it; closes the pipe."""
        try:
            while self._open:
                await anyio.wait_readable(self._descriptor)
                if await self._turn() < FLOOD:
                    await anyio.sleep(PAUSE)
        finally:
            self._take_rest()
            os.close(self._descriptor)

    async def _turn(self) -> int:
        """Read as long as there is much; how many bytes it was."""
        total = 0
        for _ in range(TURN):
            if self._output.is_full:
                await self._output.room()
            taken = self.read()
            total += taken
            if taken < READ_SIZE:
                break
        return total

    def _give(self, data: bytes, goes_on: bool = False) -> None:
        if data:
            chunk = Chunk(self._output.instance, stamp(), self._stream, data, goes_on)
            self._tail.add(chunk)
            self._output.put(chunk)

    def _widen(self) -> None:
        if not self._is_wide:
            self._is_wide = True
            # Refused where all pipes of one user together hold too much already.
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_SIZE)

"""The writer's half of one instance's output: from its backlog into its file.

What the disk refuses is counted to the byte, and said in the file at the place where it is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import structlog

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs.archive import Archive, Packing
from gleitzeitd.processes.logs.backlog import TOO_SLOW, Backlog, Close, Gap, Item, Progress
from gleitzeitd.processes.logs.lines import Chunk, Record, stamp
from gleitzeitd.processes.logs.logfile import LogFile

log = structlog.get_logger("gleitzeitd")
Wake = Callable[[], bool]
Pack = Callable[[Packing], None]
BATCH = 1024 * 1024
"""Bytes that are made ready and written at once: only the first holds up the loop."""
RETRY = 1.0
"""Seconds until the disk is asked again after it refused."""
QUIET = 60.0
"""Seconds in which one does not say again that the disk refuses: a disk may be full again and again."""


class Sink:
    def __init__(
        self, instance: str, path: str, logs: Logs, wake: Wake, pack: Pack, progress: Progress
    ) -> None:
        """`wake`: have `work` called until it is done. `pack`: see Archive."""
        self.backlog = Backlog(wake, progress)
        self.archive = Archive(path, logs.files, pack)
        self._instance = instance
        self._file = LogFile(path, logs, self.archive)
        self._is_closed = False
        self._open_lines = set[str]()
        self._left = 0
        self._refused = 0
        self._gap = 0
        self._why: str | None = None
        self._again = 0.0
        self._is_told = False
        self._last_told = -QUIET

    def limit(self, logs: Logs) -> None:
        """How much is kept from the next rotation on. The loop may call it: numbers are read whole."""
        self.archive.files = logs.files
        self._file.limit = logs.size

    @property
    def lost(self) -> int:
        """Bytes of the instance's output that are not in the file."""
        return self.backlog.dropped + self._refused

    @property
    def retry(self) -> float | None:
        """When the disk is to be asked again, while it refuses."""
        return self._again if self._gap and not self._is_closed else None

    def work(self) -> bool:
        """Write a part of the backlog. False when nothing was left."""
        taken = self.backlog.take(BATCH)
        self._left = sum(len(item.data) for item in taken if isinstance(item, Chunk))
        try:
            for item in _together(taken):
                self._do(item)
            if self.retry is not None:
                self._mend()
        except Exception as exc:
            self._lose(self._left)
            self._refuse(exc)
            raise
        finally:
            self.backlog.settle()
        return bool(taken)

    def _do(self, item: Gap | Close | list[Chunk]) -> None:
        match item:
            case Gap(size):
                # The loop has said so, at the time when it began.
                self._gap, self._why, self._is_told = self._gap + size, TOO_SLOW, True
                self._is_closed = False
            case Close():
                self._close()
            case _:
                self._write(item)

    def _close(self) -> None:
        # There may be no next time at which the gap could be told.
        self._again = 0.0
        if self._gap:
            self._mend()
        self._file.close()
        self._is_closed = True

    def _write(self, chunks: Iterable[Chunk]) -> None:
        for part, blocks in _batches(chunks):
            self._is_closed = False
            size = sum(len(chunk.data) for chunk in part)
            if self._gap and not self._mend(part[0].time):
                self._lose(size)
            else:
                self._append(part, blocks, size)
            self._left -= size
            self.backlog.settle(size)

    def _append(self, part: Sequence[Chunk], blocks: Sequence[bytes], size: int) -> None:
        try:
            self._file.append(blocks)
        except Exception as exc:  # Whatever it was, the bytes are not in the file.
            self._refuse(exc)
            self._lose(size - self._note_torn(part, blocks))
        else:
            for chunk in part:
                self._note(chunk.stream, chunk.ends_open)

    def _note_torn(self, part: Sequence[Chunk], blocks: Sequence[bytes]) -> int:
        """How many bytes of the child stand in the file, of those that it did not take as a whole."""
        kept, written = 0, self._file.written
        for chunk, block in zip(part, blocks, strict=True):
            kept += chunk.kept(min(written, len(block)))
            if written > 0 and (is_open := chunk.is_open(min(written, len(block)))) is not None:
                self._note(chunk.stream, is_open)
            written -= len(block)
        return kept

    def _note(self, stream: str, is_open: bool) -> None:
        (self._open_lines.add if is_open else self._open_lines.discard)(stream)

    def _lose(self, size: int) -> None:
        self._refused += size
        self._gap += size

    def _refuse(self, exc: Exception) -> None:
        now = time.monotonic()
        self._again, self._why = now + RETRY, _reason(exc)
        if not self._gap and now >= self._last_told + QUIET:
            self._is_told, self._last_told = True, now
            log.warning("output is dropped", name=self._instance, reason=self._why)

    def _mend(self, time_of_next: str = "") -> bool:
        """Say at the place of the gap how much is missing. False as long as the disk refuses.

        Times ascend in a file: what comes after the notice may have waited for a while.
        """
        if time.monotonic() < self._again:
            return False
        try:
            self._file.append(self._notice(time_of_next or stamp()))
        except Exception as exc:
            self._refuse(exc)
            return False
        if self._is_told:
            log.info("output is kept again", name=self._instance, dropped=self._gap)
        self._gap, self._is_told = 0, False
        self._open_lines.clear()
        return True

    def _notice(self, when: str) -> list[bytes]:
        # A line whose rest is missing has to end, or readers would join it to whatever comes next.
        lines = [(stream, b"") for stream in sorted(self._open_lines)]
        text = f"gleitzeit: {self._gap} bytes were dropped here: {self._why}"
        lines.append(("stderr", text.encode()))
        return [Record(self._instance, when, stream, line, False).cri() for stream, line in lines]


def _reason(exc: Exception) -> str:
    return exc.strerror or str(exc) if isinstance(exc, OSError) else f"{type(exc).__name__}: {exc}"


def _together(items: Iterable[Item]) -> Iterator[Gap | Close | list[Chunk]]:
    """The items, with the chunks that follow each other as one."""
    chunks: list[Chunk] = []
    for item in items:
        if isinstance(item, Chunk):
            chunks.append(item)
            continue
        yield chunks
        chunks = []
        yield item
    yield chunks


def _batches(chunks: Iterable[Chunk]) -> Iterator[tuple[list[Chunk], list[bytes]]]:
    """What is written at once. Short lines become many times as long in the file: that is what counts."""
    part, blocks, size = list[Chunk](), list[bytes](), 0
    for chunk, block in chain.from_iterable(map(_blocks, chunks)):
        part.append(chunk)
        blocks.append(block)
        size += len(block)
        if size >= BATCH:
            yield part, blocks
            part, blocks, size = [], [], 0
    if part:
        yield part, blocks


def _blocks(chunk: Chunk) -> Iterator[tuple[Chunk, bytes]]:
    """The chunk, in as many as are needed for none to become much longer than BATCH."""
    block = chunk.cri()
    parts = list(chunk.split(len(block) // BATCH + 1)) if len(block) > BATCH else []
    if len(parts) <= 1:
        yield chunk, block
    else:
        yield from chain.from_iterable(map(_blocks, parts))

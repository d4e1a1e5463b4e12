"""The writer's half of one instance's output: from its backlog into its file.

What the disk refuses is counted to the byte, and said in the file at the place where it is missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs.archive import Archive, Packing
from gleitzeitd.processes.logs.backlog import TOO_SLOW, Backlog, Close, Gap, Item
from gleitzeitd.processes.logs.lines import Chunk, Record, stamp
from gleitzeitd.processes.logs.logfile import LogFile

log = structlog.get_logger("gleitzeitd")
Wake = Callable[[], None]
Pack = Callable[[Packing], None]
BATCH = 1024 * 1024
"""Bytes that are made ready and written at once: only the first holds up the loop."""
RETRY = 1.0
"""Seconds until the disk is asked again after it refused."""
QUIET = 60.0
"""Seconds in which one does not say again that the disk refuses: a disk may be full again and again."""


class Sink:
    def __init__(self, instance: str, path: str, logs: Logs, wake: Wake, pack: Pack) -> None:
        """`wake`: have `work` called until it is done. `pack`: see Archive."""
        self.backlog = Backlog(wake)
        self.archive = Archive(path, logs.files, pack)
        self._instance = instance
        self._file = LogFile(path, logs, self.archive)
        self._refused = 0
        self._gap = 0
        self._why: str | None = None
        self._again = 0.0
        self._is_told = False
        self._last_told = -QUIET

    @property
    def lost(self) -> int:
        """Bytes of the instance's output that are not in the file."""
        return self.backlog.dropped + self._refused

    @property
    def retry(self) -> float | None:
        """When the disk is to be asked again, while it refuses."""
        return self._again if self._gap else None

    def work(self) -> bool:
        """Write a part of the backlog. False when nothing was left."""
        taken = self.backlog.take(BATCH)
        try:
            for item in _together(taken):
                match item:
                    case Gap(size):
                        # The loop has said so, at the time when it began.
                        self._gap, self._why, self._is_told = self._gap + size, TOO_SLOW, True
                    case Close():
                        self._file.close()
                    case _:
                        self._write(item)
            if self._gap:
                self._mend()
        finally:
            self.backlog.settle(taken)
        return bool(taken)

    def _write(self, chunks: Iterable[Chunk]) -> None:
        for part, blocks in _batches(chunks):
            size = sum(len(chunk.data) for chunk in part)
            if self._gap and not self._mend():
                self._lose(size)
                continue
            try:
                self._file.append(blocks)
            except OSError as exc:
                self._refuse(exc)
                self._lose(size - _kept(part, blocks, self._file.written))

    def _lose(self, size: int) -> None:
        self._refused += size
        self._gap += size

    def _refuse(self, exc: OSError) -> None:
        now = time.monotonic()
        self._again, self._why = now + RETRY, exc.strerror
        if not self._gap and now >= self._last_told + QUIET:
            self._is_told, self._last_told = True, now
            log.warning("output is dropped", name=self._instance, reason=self._why)

    def _mend(self) -> bool:
        """Say at the place of the gap how much is missing. False as long as the disk refuses."""
        if time.monotonic() < self._again:
            return False
        text = f"gleitzeit: {self._gap} bytes were dropped here: {self._why}"
        try:
            self._file.append([Record(self._instance, stamp(), "stderr", text.encode(), False).cri()])
        except OSError as exc:
            self._refuse(exc)
            return False
        if self._is_told:
            log.info("output is kept again", name=self._instance, dropped=self._gap)
        self._gap, self._is_told = 0, False
        return True


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
    for chunk in chunks:
        part.append(chunk)
        blocks.append(chunk.cri())
        size += len(blocks[-1])
        if size >= BATCH:
            yield part, blocks
            part, blocks, size = [], [], 0
    if part:
        yield part, blocks


def _kept(chunks: Sequence[Chunk], blocks: Sequence[bytes], written: int) -> int:
    """How many bytes of the child stand in the first `written` bytes of `blocks`."""
    kept = 0
    for chunk, block in zip(chunks, blocks, strict=True):
        kept += chunk.kept(min(written, len(block)))
        written = max(0, written - len(block))
    return kept

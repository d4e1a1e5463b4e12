"""What comes: of the daemon, and of the files what it had no room for, or printed when it was not there."""

from __future__ import annotations

import heapq
import time
from collections.abc import Generator, Iterator
from datetime import timedelta

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.complaint import UNREACHABLE, Complaint
from gleitzeitctl.logs import shelf
from gleitzeitctl.logs.file import File
from gleitzeitctl.logs.memory import Missed
from gleitzeitctl.logs.reading import AWAY, LAG, LOOK, Reading
from gleitzeitctl.logs.records import Record, Wanted
from gleitzeitctl.logs.times import read, written
from gleitzeitctl.render import note

OVERLAP = timedelta(seconds=5)
"""What the daemon is asked for again, beside what is new: a clock may be set back by as much."""
AGAIN, AT_MOST = 0.1, 1.0
"""Seconds until it is looked whether the daemon is back: at first, and when it takes long."""


class Following:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._seam = reading.seam

    def follow(self) -> Iterator[Record]:
        """What was printed until now, and what comes, until the caller stops; over restarts of the daemon."""
        yield from self._reading.past(goes_on=True)
        if not self._reading.is_up:
            note("this goes on when the daemon is there")
            yield from self._until_it_is_back()
        while True:
            ended = yield from self._stream()
            note(f"{ended}: this goes on when it is back")
            yield from self._until_it_is_back()

    def _stream(self) -> Generator[Record, None, str]:
        """What comes from the daemon; then why no more does."""
        source = self._seam.source()
        try:
            for told in self._reading.memory.stream(_earlier(self._seam.latest)):
                if isinstance(told, Missed):
                    source.pause()
                    yield from self._made_up_for(told)
                    continue
                name = told.instance
                if not source.is_past(name) and told.time > self._seam.at(name)[0]:
                    # it may have been too much for the daemon's memory since
                    yield from self._caught_up(name, told.time)
                if source.is_new(told) and self._fits(told):
                    yield told
        except CallError as exc:
            return str(exc)
        except Complaint as exc:
            if exc.exit not in AWAY:
                raise
            if exc.exit != UNREACHABLE:
                return str(exc)
        return "the daemon has ended"

    def _made_up_for(self, missed: Missed) -> Iterator[Record]:
        is_whole = True
        for name, last in missed.last.items():
            is_whole &= yield from self._caught_up(name, _just_after(last))
        if not is_whole:
            note(f"of {missed.size} bytes that came too fast the files do not have all")

    def _caught_up(self, name: str, before: bytes) -> Generator[Record, None, bool]:
        """What the files have that is new and older than that; they may need a moment. False without all."""
        deadline = time.monotonic() + LAG
        while time.monotonic() < deadline:
            was = self._seam.at(name)
            with self._reading.files([name]) as files:
                if not files.get(name):
                    return False
                is_there = yield from self._new(name, files[name], before)
            is_new = self._seam.at(name) != was
            if is_there or (not is_new and _just_after(was[0]) >= before):
                return True
            if is_new:
                deadline = time.monotonic() + LAG
            time.sleep(LOOK)
        return False

    def _new(self, name: str, files: list[File], before: bytes = b"") -> Generator[Record, None, bool]:
        """What they have that is new, as far as it is older; whether there is something that is not."""
        source = self._seam.source()
        for record in shelf.forwards(files, Wanted(self._seam.at(name)[0])):
            if before and record.time >= before:
                return True
            if source.is_new(record) and self._fits(record):
                yield record
        return False

    def _until_it_is_back(self) -> Iterator[Record]:
        """What is printed before all has ended, and once the daemon is there again."""
        pause = AGAIN
        is_back = False
        while not is_back:
            time.sleep(pause)
            pause = min(pause * 2, AT_MOST)
            is_back = self._reading.is_back()
            if is_back:
                note("the daemon is back")
            names = self._reading.instances
            with self._reading.files(names) as files:
                each = [self._new(name, files[name]) for name in names if files]
                yield from heapq.merge(*each, key=shelf.by_time)

    def _fits(self, record: Record) -> bool:
        return self._reading.wanted.fits(record)


def _just_after(time: bytes) -> bytes:
    """Times of records have microseconds."""
    return time[:-4] + b"001Z"


def _earlier(time: bytes) -> bytes:
    return written(read(time) - OVERLAP)

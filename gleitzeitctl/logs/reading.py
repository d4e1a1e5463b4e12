"""The records that somebody asked for: of the files, of the daemon, or of both without a seam."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from gleitzeit_extensions.places import logs_directory
from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import UNREACHABLE, Complaint
from gleitzeitctl.logs import shelf
from gleitzeitctl.logs.records import Record, Wanted
from gleitzeitctl.logs.seam import Seam
from gleitzeitctl.render import note

EVERYTHING = 1_000_000
"""More records than the daemon has in memory."""
LAG = 5.0
"""Seconds that the files may be behind what was printed."""
AGAIN = 0.25
"""Seconds until it is looked whether the daemon is back."""


@dataclass
class Reading:
    """What is read, and how far."""

    client: Client
    names: list[str]
    wanted: Wanted
    count: int | None
    """How many of the last ones; None for all."""
    directory: str = ""
    """Of the files; empty where they cannot be read."""
    instances: list[str] = field(default_factory=list)
    is_up: bool = True
    seam: Seam = field(default_factory=Seam)

    def find(self) -> None:
        """Who is meant, and where their files are. Raises CallError, Complaint for a name that nobody has."""
        try:
            found = self.client.get("/v1/logs/files", self._query())
            self.directory, self.instances = found["directory"], found["instances"]
        except Complaint as exc:
            if exc.exit != UNREACHABLE:
                raise
            self._find_offline(exc)
        if not os.access(self.directory, os.R_OK | os.X_OK):
            self.directory = ""

    def past(self) -> list[Record] | Iterator[Record]:
        """What was printed until now, oldest first."""
        if not self.directory:
            return self._of_the_daemon()
        if self.count is None:
            return self._all()
        records = [*self._last(self.count), *self._newer()]
        return records[-self.count :] if self.count else []

    def follow(self) -> Iterator[Record]:
        """What was printed until now, and what comes, until the caller stops; over restarts of the daemon."""
        yield from self.past()
        while True:
            if self.is_up:
                yield from self._stream()
            self._wait_for_the_daemon()
            yield from self._caught_up(self.instances)

    def _find_offline(self, down: Complaint) -> None:
        self.is_up, self.directory = False, logs_directory()
        try:
            known = shelf.instances(self.directory)
        except OSError:
            raise down from None
        self.instances = shelf.meant(self.names, known)
        if not self.instances:
            there = ", ".join(known) or "none"
            asked = ", ".join(f'"{name}"' for name in self.names)
            sentence = f"nothing of {asked} is in {self.directory}: there are logs of {there}"
            raise CallError("not_found.provider", sentence)
        note(f"{down}; these are the files in {self.directory}")

    def _last(self, count: int) -> list[Record]:
        """The last of the files; and how far each of them goes."""
        for name in self.instances:
            source = self.seam.source()
            for record in _last_moment(self.directory, name):
                source.is_new(record)
        return shelf.newest(self.directory, self.instances, self.wanted, count) if count else []

    def _all(self) -> Iterator[Record]:
        source = self.seam.source()
        everything = self.wanted._replace(grep=None, stream="") if self.wanted.grep is None else self.wanted
        for record in shelf.forwards(self.directory, self.instances, everything):
            source.is_new(record)
            if self.wanted.fits(record):
                yield record
        if self.wanted.grep is not None:
            # a search does not see the others, which count for how far the files go
            self._last(0)
        yield from self._newer()

    def _newer(self) -> list[Record]:
        """What the daemon has and the files have not: they lag, or a disk is full."""
        if not self.is_up:
            return []
        query = [*self._query(), ("n", EVERYTHING), ("since", _earlier(self.seam.latest))]
        source = self.seam.source()
        found = (_record(told) for told in self.client.follow("/v1/logs", query))
        new = (record for record in found if source.is_new(record) and self.wanted.fits(record))
        return sorted(new, key=attrgetter("time"))

    def _of_the_daemon(self) -> Iterator[Record]:
        count = EVERYTHING if self.count is None or self.wanted.grep else self.count
        source = self.seam.source()
        records = [_record(told) for told in self.client.follow("/v1/logs", [*self._query(), ("n", count)])]
        fitting = [record for record in records if source.is_new(record) and self.wanted.fits(record)]
        return iter(
            fitting if self.count is None else fitting[len(fitting) - min(self.count, len(fitting)) :]
        )

    def _stream(self) -> Iterator[Record]:
        """What comes, until the daemon ends."""
        query = [*self._query(), ("n", EVERYTHING), ("follow", 1), ("since", _earlier(self.seam.latest))]
        source, begun = self.seam.source(), set[str]()
        try:
            for told in self.client.follow("/v1/logs", query):
                if "missed" in told:
                    yield from self._made_up_for(told["missed"])
                    continue
                record = _record(told)
                if record.instance not in begun:
                    # the daemon may not remember as far back as the files were read
                    begun.add(record.instance)
                    yield from self._caught_up([record.instance])
                if source.is_new(record) and self.wanted.fits(record):
                    yield record
        except Complaint as exc:
            if exc.exit != UNREACHABLE:
                raise

    def _made_up_for(self, missed: int) -> Iterator[Record]:
        """What was not read in time is in the files, if these can be read."""
        if self.directory:
            return self._caught_up(self.instances)
        note(f"{missed} bytes are missing here: they were not read in time")
        return iter(())

    def _caught_up(self, names: Iterable[str]) -> Iterator[Record]:
        """What the files have that was not seen yet."""
        if not self.directory:
            return
        source = self.seam.source()
        each = [shelf.forwards(self.directory, [name], Wanted(self.seam.since(name))) for name in names]
        for record in heapq.merge(*each, key=attrgetter("time")):
            if source.is_new(record) and self.wanted.fits(record):
                yield record

    def _wait_for_the_daemon(self) -> None:
        if self.is_up:
            note("the daemon has ended: this goes on when it is back")
        while True:
            time.sleep(AGAIN)
            try:
                self.instances = self.client.get("/v1/logs/files", self._query())["instances"]
            except (Complaint, CallError):
                continue
            note("the daemon is back")
            self.is_up = True
            return

    def _query(self) -> list[tuple[str, str | int]]:
        stream = [("stream", self.wanted.stream)] if self.wanted.stream else []
        return [*(("name", name) for name in self.names), *stream]


def _record(told: dict[str, Any]) -> Record:
    line = told["line"].encode("utf-8", "surrogateescape")
    return Record(told["time"].encode(), told["instance"], told["stream"], line, told["partial"])


def _earlier(time: bytes) -> str:
    if not time:
        return ""
    when = datetime.fromisoformat(time[:26].decode() + "+00:00") - timedelta(seconds=LAG)
    return when.isoformat(timespec="microseconds").replace("+00:00", "000Z")


def _last_moment(directory: str, name: str) -> list[Record]:
    """All records of an instance's last time."""
    found: list[Record] = []
    for record in shelf.newest_first(directory, name):
        if found and record.time != found[0].time:
            break
        found.append(record)
    return found

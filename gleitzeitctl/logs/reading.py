"""What was printed until now: of the daemon what it has, and of the files what was before that."""

from __future__ import annotations

import heapq
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain

from gleitzeit_extensions.places import SYSTEM_LOGS, logs_directory
from gleitzeit_extensions.protocol import CODES, CallError
from gleitzeitctl.complaint import UNREACHABLE, Complaint
from gleitzeitctl.logs import shelf
from gleitzeitctl.logs.memory import EVERYTHING, Memory
from gleitzeitctl.logs.records import Record, Wanted
from gleitzeitctl.logs.seam import Seam
from gleitzeitctl.logs.times import written
from gleitzeitctl.render import note

LAG = 2.0
"""Seconds that the files may be behind what the daemon has: milliseconds, as long as its disk can."""
LOOK = 0.02
"""Seconds until it is looked whether they are there by now."""
AWAY = (UNREACHABLE, CODES["deadline_exceeded"].exit)
"""What it comes to when the daemon is not there, or hangs: then there are the files."""
Found = Mapping[str, Sequence[Record]]


class Reading:
    """What is read, and how far."""

    def __init__(self, memory: Memory, names: list[str], wanted: Wanted, count: int | None) -> None:
        """`count`: how many of the last ones; None for all."""
        self.memory, self.names, self.wanted, self.count = memory, names, wanted, count
        self.directory = ""
        self.instances: list[str] = []
        self.is_up = True
        self.seam = Seam()
        self._told = set[str]()

    def find(self) -> None:
        """Who is meant, and where their files are. Raises CallError, Complaint for a name that nobody has."""
        try:
            self.directory, self.instances = self.memory.files()
        except Complaint as exc:
            if exc.exit not in AWAY:
                raise
            self._find_offline(exc)

    def past(self, *, goes_on: bool = False) -> Iterator[Record]:
        """What was printed until now, oldest first. With `goes_on` the seam lies at its end then."""
        now = written()
        found = self._found(goes_on)
        if goes_on:
            self._mark(found, now)
        # without a daemon nothing comes, and what a wrong clock wrote is there as well
        until = now if self.is_up or goes_on else b""
        names = dict.fromkeys([*self.instances, *found])
        limits = {name: self._before(found, name, until) for name in names}
        return self._all(found, limits) if self.count is None else self._last(self.count, found, limits)

    def is_back(self) -> bool:
        """Whether the daemon answers again; whom the names mean may have changed meanwhile."""
        try:
            self.directory, self.instances = self.memory.files()
        except CallError as exc:
            self.tell(f"{exc}: this goes on when there is one")
            return False
        except Complaint as exc:
            if exc.exit not in AWAY:
                raise
            return False
        return True

    @contextmanager
    def files(self, names: Iterable[str]) -> Iterator[shelf.Shelf]:
        """Theirs, open; none where the directory cannot be read."""
        with ExitStack() as stack:
            files: shelf.Shelf = {}
            try:
                files = stack.enter_context(shelf.opened(self.directory, names, self.tell))
            except OSError as exc:
                why = f"{self.directory} cannot be read ({exc.strerror})"
                self.tell(f"{why}: this is what the daemon has in memory, without what is older")
            yield files

    def tell(self, sentence: str) -> None:
        """Tell the person once what could not be read."""
        if sentence not in self._told:
            self._told.add(sentence)
            note(sentence)

    def _find_offline(self, down: Complaint) -> None:
        self.is_up, self.directory = False, _directory()
        try:
            known = shelf.instances(self.directory)
        except OSError as exc:
            why = f"{self.directory} cannot be read: {exc.strerror}"
            raise Complaint(f"{down}; {why}", down.exit, down.code) from exc
        self.instances = shelf.meant(self.names, known)
        if not self.instances:
            there = ", ".join(known) or "none"
            asked = ", ".join(f'"{name}"' for name in self.names)
            nothing = f"nothing of {asked} is in {self.directory}: there are logs of {there}"
            raise CallError("not_found.provider", f"no daemon answers, and {nothing}")
        note(f"{down}; these are the files in {self.directory}")

    def _found(self, goes_on: bool) -> Found:
        """What the daemon has; all of it where the seam or a search needs that."""
        if not self.is_up:
            return {}
        all_of_it = goes_on or self.count is None or self.wanted.grep or self.wanted.until
        try:
            return self.memory.newest(EVERYTHING if all_of_it else self.count or 0, self.wanted.since)
        except Complaint as exc:
            if exc.exit not in AWAY:
                raise
            self.is_up = False
            return {}

    def _mark(self, found: Found, now: bytes) -> None:
        self.seam.begin(now)
        source = self.seam.source()
        for record in chain.from_iterable(found.values()):
            source.is_new(record)

    def _before(self, found: Found, name: str, now: bytes) -> Wanted:
        """What is wanted of an instance's files: what was before all that the daemon has.

        So a disk that was full hides nothing of what the daemon still has, and a file that lags is no gap.
        """
        first = found[name][0].time if name in found else now
        return self.wanted._replace(until=min(filter(None, (self.wanted.until, first)), default=b""))

    def _last(self, count: int, found: Found, limits: Mapping[str, Wanted]) -> Iterator[Record]:
        fitting = [list(self._fitting(found.get(name, ()))) for name in limits]
        if sum(map(len, fitting)) < count:
            self._wait_for_files(found)
            with self.files(limits) as files:
                fitting.append(shelf.newest(files, limits, count))
        records = list(heapq.merge(*fitting, key=shelf.by_time))
        return iter(records[max(len(records) - count, 0) :])

    def _all(self, found: Found, limits: Mapping[str, Wanted]) -> Iterator[Record]:
        self._wait_for_files(found)
        with self.files(limits) as files:
            each = [
                chain(shelf.forwards(files.get(name, []), limit), self._fitting(found.get(name, ())))
                for name, limit in limits.items()
            ]
            yield from heapq.merge(*each, key=shelf.by_time)

    def _fitting(self, records: Iterable[Record]) -> Iterator[Record]:
        return filter(self.wanted.fits, records)

    def _wait_for_files(self, found: Found) -> None:
        """Until they have all that was before what was found. One that has nothing is not waited for."""
        deadline = time.monotonic() + LAG
        for name, records in found.items():
            while b"" < self._end(name) < records[0].time and time.monotonic() < deadline:
                time.sleep(LOOK)

    def _end(self, name: str) -> bytes:
        with self.files([name]) as files:
            return shelf.last_time(files.get(name, []))


def _directory() -> str:
    """Where a daemon of this user would keep the files, else the system's, as for its socket."""
    own = logs_directory()
    return SYSTEM_LOGS if not os.path.exists(own) and os.path.exists(SYSTEM_LOGS) else own

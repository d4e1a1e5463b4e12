"""Where one source of records ends and another goes on: nothing twice, and nothing left out.

Files and daemon cut what a provider printed into the same records, and those that came at one time have one
time. So a place in an instance's output is a time, and how many records of that time were seen.
"""

from __future__ import annotations

from collections import defaultdict

from gleitzeitctl.logs.records import Record

START = (b"", 0)


class Seam:
    """How far each instance's output was seen."""

    def __init__(self) -> None:
        self._seen = defaultdict[str, tuple[bytes, int]](lambda: START)

    @property
    def latest(self) -> bytes:
        """The time of the newest record that was seen; empty before there was one."""
        return max((time for time, _ in self._seen.values()), default=b"")

    def since(self, instance: str) -> bytes:
        """From when on a source has to be read, so that it can be told what of it is new."""
        return self._seen[instance][0]

    def source(self) -> Source:
        """One that has all from some time on, in the order of each instance's output."""
        return Source(self._seen)


class Source:
    def __init__(self, seen: dict[str, tuple[bytes, int]]) -> None:
        self._seen = seen
        self._here = defaultdict[str, tuple[bytes, int]](lambda: START)

    def is_new(self, record: Record) -> bool:
        """Whether nobody had it yet; it counts as seen from now on."""
        instance, time = record.instance, record.time
        at, count = self._here[instance]
        place = (time, count + 1) if time == at else (time, 1)
        self._here[instance] = place
        if place <= self._seen[instance]:
            return False
        self._seen[instance] = place
        return True

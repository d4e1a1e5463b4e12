"""Where one source of records ends and another goes on: nothing twice, and nothing left out.

Files and daemon cut what a provider printed into the same records, and those that came at one time have one
time. So a place in an instance's output is a time, and how many records of that time were seen.
"""

from __future__ import annotations

from collections import defaultdict

from gleitzeitctl.logs.records import Record

START = (b"", 0)
Place = tuple[bytes, int]


class Seam:
    """How far each instance's output was seen."""

    def __init__(self) -> None:
        self._begin = START
        self._seen: dict[str, Place] = {}

    def begin(self, time: bytes) -> None:
        """Of whom nothing was seen, only what is newer than that counts."""
        self._begin = (time, 0)

    @property
    def latest(self) -> bytes:
        """The time of the newest record that was seen, or after which they count."""
        return max(time for time, _ in (*self._seen.values(), self._begin))

    def at(self, instance: str) -> Place:
        return self._seen.get(instance, self._begin)

    def move(self, instance: str, place: Place) -> None:
        self._seen[instance] = place

    def source(self) -> Source:
        """One that has all from some time on, in the order of each instance's output."""
        return Source(self)


class Source:
    def __init__(self, seam: Seam) -> None:
        self._seam = seam
        self._here = defaultdict[str, Place](lambda: START)
        self._past = set[str]()

    def is_past(self, instance: str) -> bool:
        """Whether it has given something of the instance that was new: all that follows is."""
        return instance in self._past

    def pause(self) -> None:
        """Others go on in its place, and it goes on after them."""
        self._past.clear()

    def is_new(self, record: Record) -> bool:
        """Whether nobody had it yet; it counts as seen from now on."""
        instance, time = record.instance, record.time
        at, count = self._here[instance]
        place = self._here[instance] = (time, count + 1) if time == at else (time, 1)
        # once past the seam, the order counts and not the time: a clock may be set back
        if instance not in self._past and place <= self._seam.at(instance):
            return False
        self._past.add(instance)
        self._seam.move(instance, place)
        return True

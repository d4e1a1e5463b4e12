"""The flight recorder of one instance: its last changes with their causes and evidence, oldest first."""

from __future__ import annotations

import datetime
from collections import deque
from dataclasses import dataclass

from gleitzeitd.core.process import State

KEPT = 50
"""Entries; the oldest leave first."""
EVIDENCE = 20
"""Lines of evidence that one entry keeps."""


@dataclass(frozen=True, slots=True)
class Entry:
    time: str
    """RFC 3339, UTC."""
    generation: int
    state: State
    what: str
    evidence: tuple[str, ...] = ()
    """Lines, such as the last ones of stderr."""


def rfc3339(time: datetime.datetime) -> str:
    """A time of UTC in words, to the millisecond."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Recorder:
    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT)

    def note(
        self,
        generation: int,
        state: State,
        what: str,
        evidence: tuple[str, ...] = (),
        instead_of: str | None = None,
    ) -> Entry:
        """`instead_of`: how the last entry begins when this one is but news of the same."""
        if instead_of and self._entries and self._entries[-1].what.startswith(instead_of):
            self._entries.pop()
        now = rfc3339(datetime.datetime.now(datetime.UTC))
        entry = Entry(now, generation, state, what, evidence[-EVIDENCE:])
        self._entries.append(entry)
        return entry

    def entries(self) -> list[Entry]:
        return list(self._entries)

"""What became of one instance's calls in the last minute, and how long its answers took.

It stands in the way of every call, as the meter does. Whoever looks pays for the summing up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

SLOT = 10.0
"""Seconds that are counted together."""
SLOTS = 6
"""How many of these a look goes back; the last of them is not over yet."""
GROWTH = 1.1
BOUNDS = tuple(0.0001 * GROWTH**n for n in range(150))
"""The upper bounds of what counts as one duration: a tenth apart, from 0.1 ms to more than two minutes."""
NO_FAULT = frozenset({"ok", "cancelled"})
"""Codes that are no error: whoever leaves, for whatever reason, says nothing of who was asked."""


class Recent(NamedTuple):
    """The last minute, to ten seconds."""

    errors: int
    p50: float | None
    """Seconds within which half of the answers came, to a tenth of itself; None when there was none."""
    p99: float | None


NOTHING = Recent(0, None, None)


class _Slot:
    __slots__ = ("errors", "number", "took")

    def __init__(self, number: int) -> None:
        self.number = number
        self.errors = 0
        self.took: dict[int, int] = {}
        """How many answers took how long, by the place among the bounds."""


class Tally:
    """Told where a call ends; asked by whoever is shown it."""

    __slots__ = ("_slots", "calls")

    def __init__(self) -> None:
        self.calls = 0
        """All that ended."""
        self._slots = deque([_Slot(-1)], maxlen=SLOTS)

    def ended(self, code: str, seconds: float, now: float) -> None:
        """A call is over. `code`: "ok" or that of its error."""
        self.calls += 1
        number, slot = int(now / SLOT), self._slots[-1]
        if slot.number != number:
            slot = _Slot(number)
            self._slots.append(slot)
        if code == "ok":
            at = bisect_left(BOUNDS, seconds)
            slot.took[at] = slot.took.get(at, 0) + 1
        elif code not in NO_FAULT:
            slot.errors += 1

    def recent(self, now: float) -> Recent:
        first = int(now / SLOT) - SLOTS
        slots = [slot for slot in self._slots if slot.number > first]
        if not slots:
            return NOTHING
        took = Counter[int]()
        for slot in slots:
            took.update(slot.took)
        return Recent(sum(slot.errors for slot in slots), quantile(took, 0.5), quantile(took, 0.99))


def quantile(took: Mapping[int, int], share: float) -> float | None:
    """The middle of where the answer lies that this share of all came before."""
    left = share * sum(took.values())
    for at, count in sorted(took.items()):
        left -= count
        if left <= 0:
            return BOUNDS[min(at, len(BOUNDS) - 1)] / sqrt(GROWTH)
    return None

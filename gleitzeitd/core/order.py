"""What cannot be put in any order: things that wait for each other in a circle. Pure."""

from __future__ import annotations

import graphlib
from collections.abc import Collection, Mapping


def cycle(needs: Mapping[str, Collection[str]]) -> tuple[str, ...] | None:
    """One circle, as `a, b, a` when a needs b and b needs a; it begins with what is first in `needs`."""
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as exc:
        # In the error each one is needed by the next, and the first is there again at the end.
        ring: list[str] = exc.args[1][:0:-1]
        place = {name: at for at, name in enumerate(needs)}
        first = min(range(len(ring)), key=lambda at: place[ring[at]])
        return (*ring[first:], *ring[:first], ring[first])
    return None

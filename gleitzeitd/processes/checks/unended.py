"""What checks left that did not end although it was killed, remembered beyond the life it was left in."""

from __future__ import annotations

from collections.abc import Iterable

from gleitzeitd.processes.containment.strays import Stat

Key = tuple[str, tuple[str, ...]]
"""An instance and the program that asks it."""


class Unended:
    def __init__(self) -> None:
        self._left = dict[Key, list[Stat]]()

    def of(self, key: Key) -> list[Stat]:
        """Who is still there."""
        # All are looked at, so that those of an instance that is no more are forgotten too.
        looked = {each: [*filter(_is_there, left)] for each, left in self._left.items()}
        self._left = {each: left for each, left in looked.items() if left}
        return self._left.get(key, [])

    def add(self, key: Key, left: Iterable[Stat]) -> None:
        self._left[key] = [*self._left.get(key, ()), *left]


def _is_there(stat: Stat) -> bool:
    now = Stat.of(stat.pid)
    return now is not None and now.started == stat.started and now.is_alive

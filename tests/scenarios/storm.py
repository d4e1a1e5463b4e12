"""Lives that are taken at random, a hundred a second."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path

from tests.house import House, eventually, house
from tests.observer import Observer, observed
from tests.scenarios.common import SLEEPER, all_are, becomes, only_legal, room, views
from tests.sightings import Mark, Sighting

PACE = 0.01
"""Seconds between two kills."""


def sleepers(count: int) -> dict[str, object]:
    """Half of them RUNNING as soon as they are spawned, half a little later."""
    return {f"sleeper{n}": {**SLEEPER, "start_seconds": (0, 0.05)[n % 2]} for n in range(count)}


class Storm:
    """Kills what lives, each life once."""

    def __init__(self, seen: Observer, seed: int = 7) -> None:
        self._seen = seen
        self._chance = random.Random(seed)
        self.killed: set[Mark] = set()

    def rage(self, kills: int) -> None:
        """Kill so many lives, one every 10 ms, as far as there are any."""
        for _ in range(kills):
            victim = eventually(self._victim, "a life follows those that were killed")
            self.killed.add(victim.mark)
            time.sleep(PACE)

    def kills(self, names: Iterable[str]) -> dict[str, int]:
        """How many lives of each were killed."""
        return {name: sum(mark.name == name for mark in self.killed) for name in names}

    def _victim(self) -> Sighting | None:
        """One that lived, and was killed just now."""
        found = [one for one in self._seen.alive() if one.mark not in self.killed]
        return victim if found and (victim := self._chance.choice(found)).kill() else None


def kill_storm(root: Path, *, instances: int, kills: int) -> None:
    """Every kill is seen, by exactly one restart, and in the end all are RUNNING."""
    with house(root, sleepers(instances)) as h, observed(h, room(instances)) as seen:
        all_are(h, "RUNNING")
        storm = Storm(seen)
        storm.rage(kills)
        wanted = storm.kills(views(h))
        # What is RUNNING at once may be the life that was killed just now: first every kill must be answered.
        becomes(lambda: restarts(h), wanted, "restarts of each")
        all_are(h, "RUNNING")
        assert restarts(h) == wanted
        only_legal(h)


def restarts(h: House) -> dict[str, int]:
    return {name: view["restarts"] for name, view in views(h).items()}

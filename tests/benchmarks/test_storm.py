"""A storm's bookkeeping: which successor answers which kill."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path

import pytest

from benchmarks.births import Birth, Births
from benchmarks.gleitzeit import Gleitzeit
from benchmarks.house import House
from benchmarks.storm import Storm

NOBODY = 2**22 + 1
"""A pid that Linux never gives."""


@pytest.fixture
def storm(tmp_path: Path) -> Iterator[Storm]:
    births = Births(tmp_path / "births")
    born = {name: Birth(name, NOBODY, 0) for name in ("a", "b")}
    yield Storm(House(Gleitzeit(tmp_path), births, 0, born))
    births.close()


def test_the_child_that_has_lived_longest_is_killed_next(storm: Storm) -> None:
    storm.strike()
    storm.hear(Birth("a", NOBODY, storm.killed["a"] + 2_000_000))
    storm.strike()
    assert list(storm.killed) == ["b"]
    assert storm.took == [2.0]


def test_a_kill_without_a_successor_is_seen(storm: Storm) -> None:
    for _ in range(3):
        storm.strike()
    storm.hear(Birth("b", NOBODY, storm.killed["b"] + 1_000_000))
    storm.seconds = 0.5
    assert storm.figures() == {
        "p50_ms": 1.0,
        "p99_ms": inf,
        "kills": 2,
        "kills_per_s": 4.0,
        "left_out": 1,
        "never": 1,
    }

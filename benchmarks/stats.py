"""Figures: what is measured, how much of it, and what a list of measurements comes to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]
"""One measurement, as it is kept: a line of JSON with the `name` of who was measured."""


@dataclass(frozen=True)
class Plan:
    """How much is measured, and beside whom."""

    rounds: int | None = None
    quick: bool = False
    only: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def turns(self, full: int, quick: int = 1) -> range:
        return range(self.rounds or self.size(full, quick))

    def wants(self, name: str) -> bool:
        return name not in self.absent and (not self.only or name in self.only)


@dataclass(frozen=True)
class Goal:
    """A bound for ours divided by theirs."""

    ratio: float
    words: str
    at_least: bool = False

    def is_met_by(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.at_least else ratio <= self.ratio


@dataclass(frozen=True)
class Limit:
    """The most that ours may come to, or the least, whatever theirs does."""

    value: float
    at_least: bool = False

    def is_met_by(self, value: float) -> bool:
        return value >= self.value if self.at_least else value <= self.value


@dataclass(frozen=True)
class Line:
    """One line of the table: a figure of ours beside one peer's."""

    metric: str
    unit: str
    ours: float | None
    peer: str
    theirs: float | None
    goal: Goal | Limit | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.ours is None or not self.theirs else self.ours / self.theirs

    @property
    def is_met(self) -> bool | None:
        if isinstance(self.goal, Limit):
            return None if self.ours is None else self.goal.is_met_by(self.ours)
        return None if self.goal is None or self.ratio is None else self.goal.is_met_by(self.ratio)


def of(rows: Iterable[Row], name: str, key: str) -> float | None:
    """The median of what was measured of `name`; a row may hold one figure or a list of them."""
    values: list[float] = []
    for row in rows:
        if row["name"] == name and (value := row.get(key)) is not None:
            values += value if isinstance(value, list) else [value]
    return median(values) if values else None


def most(rows: Iterable[Row], names: Iterable[str], key: str) -> float | None:
    """The most that was measured of any of `names`."""
    wanted = set(names)
    return max((row[key] for row in rows if row["name"] in wanted and row.get(key) is not None), default=None)


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[round(share * (len(values) - 1))]


def machine() -> Row:
    """What the figures depend on and a reader cannot see in them."""
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": models[0].partition(":")[2].strip() if models else platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "linux": platform.release().split("-")[0],
        "python": platform.python_version(),
    }

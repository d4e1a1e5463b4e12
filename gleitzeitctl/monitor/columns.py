"""The columns of the table: what each says of an instance, what it sorts by, and which there is room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gleitzeitctl.monitor import figures
from gleitzeitctl.render import duration, percent

View = dict[str, Any]
WORST_FIRST = ("FATAL", "LOST", "BACKOFF", "STOPPING", "WAITING", "STARTING", "EXITED", "STOPPED", "RUNNING")
LEAST_NAME, MOST_NAME = 11, 40
MOST_TREND = 30
LEAST_REASON = 24
WIDE = 120
"""Columns of a terminal from which on they stand further apart."""


@dataclass(frozen=True)
class Column:
    title: str
    width: int
    rank: int
    """Who comes first has its room first."""
    text: Callable[[View], str]
    key: Callable[[View], Any] | None = None
    """What it sorts by, the smallest first; figures are sorted the largest first."""
    is_text: bool = False


def health(one: View) -> str:
    """What is to be said of it beside its state."""
    if one["state"] != "RUNNING":
        return ""
    if one["health"] in (None, "healthy"):
        return (one["health"] or "-") if one["ready"] else "unready"
    return str(one["health"])


def condition(one: View) -> str:
    """Its state, or of one that runs what is wrong with its health."""
    return str(one["state"]) if health(one) in ("", "-", "healthy") else health(one)


def _figure(name: str) -> Callable[[View], Any]:
    return lambda one: -(one[name] or 0)


def _column(
    title: str, width: int, rank: int, name: str, shown: Callable[[float | None], str] = figures.count
) -> Column:
    return Column(title, width, rank, lambda one: shown(one[name]), _figure(name))


NAME = Column("NAME", LEAST_NAME, 0, lambda one: str(one["name"]), lambda one: _natural(one["name"]), True)
STATE = Column("STATE", 9, 1, condition, lambda one: _severity(one), True)
TREND = Column("TREND", 6, 10, lambda one: "", None, True)
REASON = Column("REASON", LEAST_REASON, 16, lambda one: str(one["reason"] or ""), None, True)
COLUMNS = (
    NAME,
    STATE,
    Column("HEALTH", 9, 13, health, lambda one: _severity(one), True),
    _column("UPTIME", 7, 14, "uptime", lambda seconds: duration(seconds).replace(" ", "")),
    _column("CPU", 5, 3, "cpu", percent),
    _column("MEM", 4, 6, "memory", figures.memory),
    _column("RST", 4, 7, "restarts"),
    _column("CALLS/S", 7, 2, "rate", figures.rate),
    _column("P50", 5, 8, "p50", figures.latency),
    _column("P99", 5, 5, "p99", figures.latency),
    _column("ERR", 4, 4, "errors"),
    _column("QUEUE", 5, 9, "queue"),
    _column("BUSY", 4, 11, "in_flight"),
    TREND,
    REASON,
)
MEANING = {
    "STATE": "of a running one that is not well: its health",
    "CPU": "share of one processor that it keeps busy",
    "MEM": "resident memory of all its processes",
    "RST": "restarts since the daemon started",
    "CALLS/S": "calls that ended in the last second",
    "P50 P99": "time within which half, and 99 %, were answered",
    "ERR": "calls that failed in the last minute",
    "QUEUE": "calls that wait for the provider",
    "BUSY": "calls that are with the instance",
    "TREND": "calls/s over the last seconds",
}


def _severity(one: View) -> tuple[int, str]:
    worst = 0.5 if condition(one) != one["state"] else 0
    state = one["state"]
    return (WORST_FIRST.index(state) - int(2 * worst) if state in WORST_FIRST else -1, condition(one))


def _natural(name: str) -> tuple[str, int, str]:
    """`worker#10` after `worker#9`."""
    provider, _, number = name.rpartition("#")
    return (provider.lower(), int(number), name) if number.isdigit() and provider else (name.lower(), 0, name)


def sorted_by(instances: Sequence[View], title: str, is_inverse: bool) -> list[View]:
    """Equals stand by their names."""
    column = next((column for column in COLUMNS if column.title == title and column.key), NAME)
    named = sorted(instances, key=lambda one: _natural(one["name"]))
    assert column.key is not None
    return sorted(named, key=column.key, reverse=is_inverse)


def fitting(width: int, longest_name: int) -> list[tuple[Column, int]]:
    """The columns that there is room for, in their order, with their widths."""
    gap = 2 if width >= WIDE else 1
    widths = {NAME.title: max(len(NAME.title), min(longest_name, LEAST_NAME))}
    room = width - widths[NAME.title]
    for column in sorted(COLUMNS[1:], key=lambda column: column.rank):
        if column.width + gap <= room:
            widths[column.title] = column.width
            room -= column.width + gap
    room -= _grow(widths, NAME.title, min(longest_name, MOST_NAME), room)
    if TREND.title in widths:
        room -= _grow(widths, TREND.title, MOST_TREND, room)
    if REASON.title in widths:
        _grow(widths, REASON.title, width, room)
    return [(column, widths[column.title]) for column in COLUMNS if column.title in widths]


def _grow(widths: dict[str, int], title: str, most: int, room: int) -> int:
    """How much of the room it has taken."""
    more = max(0, min(most - widths[title], room))
    widths[title] += more
    return more

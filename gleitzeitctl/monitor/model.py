"""What the view knows, and what a fact makes of it. Pure: nothing here draws, asks or reads a clock.

What a key makes of it is pressing.py's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from gleitzeitctl.monitor.columns import Column, fitting, sorted_by

View = dict[str, Any]
KEPT_RATES = 60
"""Seconds that a trend goes back, at one look a second."""
KEPT_LINES = 1000
"""Lines of a log."""


class Page(Enum):
    TABLE = auto()
    DETAILS = auto()
    LOGS = auto()
    HELP = auto()


@dataclass(frozen=True)
class State:
    width: int = 80
    height: int = 24
    pages: tuple[Page, ...] = (Page.TABLE,)
    """The one that is shown is the last; those before it are the way back."""
    daemon: View = field(default_factory=dict)
    instances: tuple[View, ...] = ()
    trends: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """The last rates of calls of each instance."""
    sort: str = "NAME"
    """A column's title."""
    is_inverse: bool = False
    wanted: str = ""
    """What the names that are shown have in them, in any case."""
    is_typing: bool = False
    selected: str = ""
    is_chosen: bool = False
    """Whether somebody selected it: else it is whoever comes first."""
    at: int = 0
    """The row of the selected one."""
    scroll: int = 0
    """Lines that a page is moved: of a log upward from its end, else downward."""
    provider: str = ""
    """Whose details are shown."""
    story: View = field(default_factory=dict)
    """What it offers, and `stories` of its instances."""
    log: tuple[str, ...] = ()
    asks: bool = False
    """Whether to restart the selected one: y or n."""
    order: str = ""
    """The instance that is to be restarted now."""
    message: str = ""
    """What became of the last order."""
    trouble: str = ""
    """Why nothing new comes."""
    is_over: bool = False

    @property
    def page(self) -> Page:
        return self.pages[-1]

    @property
    def subject(self) -> View | None:
        """The selected instance."""
        return next((one for one in self.instances if one["name"] == self.selected), None)


def rows(state: State) -> list[View]:
    """The instances that the filter lets through, in order."""
    if state.page is Page.DETAILS:
        return [one for one in state.instances if one["provider"] == state.provider]
    wanted = state.wanted.lower()
    found = [one for one in state.instances if wanted in one["name"].lower()]
    return sorted_by(found, state.sort, state.is_inverse)


def fitted(state: State) -> list[tuple[Column, int]]:
    """The columns that there is room for, with their widths."""
    return fitting(state.width, max((len(one["name"]) for one in rows(state)), default=0))


def told(state: State, answer: View) -> State:
    """A look at what runs."""
    instances = tuple(answer["instances"])
    kept = state.trends
    trends = {
        one["name"]: (*kept.get(one["name"], ()), one["rate"] or 0.0)[-KEPT_RATES:] for one in instances
    }
    return settled(replace(state, daemon=answer["daemon"], instances=instances, trends=trends, trouble=""))


def resized(state: State, width: int, height: int) -> State:
    return replace(state, width=width, height=height)


def printed(state: State, lines: list[str]) -> State:
    """More of a log."""
    # Whoever reads what is further up is not moved.
    scroll = min(state.scroll + len(lines), KEPT_LINES) if state.scroll else 0
    return replace(state, log=(*state.log, *lines)[-KEPT_LINES:], scroll=scroll)


def settled(state: State) -> State:
    """Whoever was chosen stays selected wherever it moves; when it has left, whoever is in its place is."""
    if state.page not in (Page.TABLE, Page.DETAILS):
        return state
    names = [one["name"] for one in rows(state)]
    if state.selected in names and state.is_chosen:
        return replace(state, at=names.index(state.selected))
    if not names:
        return replace(state, at=0, asks=False)
    at = min(state.at, len(names) - 1) if state.is_chosen else 0
    return replace(state, at=at, selected=names[at], asks=False)

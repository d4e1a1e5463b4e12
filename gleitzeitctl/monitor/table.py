"""The table of instances as lines: its titles, and the rows that there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.segment import Segment

from gleitzeitctl.monitor.columns import REASON, STATE, TREND, Column
from gleitzeitctl.monitor.figures import trend
from gleitzeitctl.monitor.model import Page, State
from gleitzeitctl.monitor.paint import BAD, BOLD, CHOSEN, OF_STATES, PLAIN, Line, clean, exactly

View = dict[str, Any]


def table(
    state: State, shown: Sequence[View], columns: list[tuple[Column, int]], room: int, has_blocks: bool
) -> list[Line]:
    """Its head, and those rows around the selected one that there is room for."""
    if not shown:
        what = f'no name has "{state.wanted}" in it' if state.wanted else "there is no instance now"
        return [[Segment(clean(what))]]
    gap = "  " if sum(width for _, width in columns) + 2 * (len(columns) - 1) <= state.width else " "
    visible = max(room - 1, 0)
    top = max(0, min(state.at - visible // 2, len(shown) - visible)) if state.page is Page.TABLE else 0
    below = (_row(state, one, columns, gap, has_blocks) for one in shown[top : top + visible])
    return [_titles(state, columns, gap), *below]


def _titles(state: State, columns: list[tuple[Column, int]], gap: str) -> Line:
    line: Line = []
    for column, width in columns:
        style = BOLD + CHOSEN if column.title == state.sort and state.page is Page.TABLE else BOLD
        line += [Segment(exactly(column.title, width, not column.is_text), style), Segment(gap)]
    return line[:-1]


def _row(state: State, one: View, columns: list[tuple[Column, int]], gap: str, has_blocks: bool) -> Line:
    line: Line = []
    for column, width in columns:
        if column is TREND:
            text = trend(state.trends.get(one["name"], ()), width, has_blocks)
        else:
            text = clean(column.text(one))
        if column is not REASON or len(text) <= width:
            text = exactly(text, width, not column.is_text)
        style = OF_STATES.get(text.rstrip(), PLAIN) if column is STATE else PLAIN
        if column.title == "ERR" and one["errors"]:
            style = BAD
        line += [Segment(text, style), Segment(gap)]
    if one["name"] == state.selected:
        line = [Segment(text, (style or PLAIN) + CHOSEN) for text, style, _ in line]
    return line[:-1]

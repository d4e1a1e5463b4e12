"""What the state looks like: as many lines as the terminal has, none of them wider than it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rich.segment import Segment

from gleitzeitctl.monitor.columns import condition, fitting
from gleitzeitctl.monitor.figures import rate
from gleitzeitctl.monitor.model import Page, State, fitted, rows
from gleitzeitctl.monitor.pages import details, help_lines, log_lines
from gleitzeitctl.monitor.paint import (
    ALARM,
    BAD,
    BOLD,
    CHOSEN,
    DIM,
    PLAIN,
    Line,
    clean,
    cut,
    exactly,
)
from gleitzeitctl.monitor.table import table
from gleitzeitctl.render import duration

View = dict[str, Any]
NARROW = 60
"""Columns of a terminal below which the daemon's name is left out."""
HINTS = {
    Page.TABLE: "q quit  ? help  / filter  r restart  l logs  enter details  up/down select  left/right sort",
    Page.DETAILS: "q back  ? help  r restart  l logs  tab next instance  up/down scroll",
    Page.LOGS: "q back  ? help  r restart  up/down scroll",
    Page.HELP: "q back  up/down scroll",
}


def drawn(state: State, has_blocks: bool) -> tuple[State, list[Line]]:
    """The whole screen; the state as well, since nobody can have moved a page further than there is of it."""
    above, below = [*_head(state)], [*_foot(state)]
    room = max(state.height - len(above) - len(below), 0)
    match state.page:
        case Page.TABLE:
            middle = table(state, rows(state), fitted(state), room, has_blocks)
        case Page.LOGS:
            middle = log_lines(state, room)
        case _:
            whole = help_lines() if state.page is Page.HELP else _details(state, has_blocks)
            state = replace(state, scroll=max(0, min(state.scroll, len(whole) - room)))
            middle = whole[state.scroll :][:room]
    lines = [*above, *middle, *([[]] * (room - len(middle))), *below]
    return state, [cut(line, state.width) for line in lines[: state.height]]


def _details(state: State, has_blocks: bool) -> list[Line]:
    own = rows(state)
    columns = fitting(state.width, max((len(one["name"]) for one in own), default=0))
    return details(state, table(state, own, columns, len(own) + 1, has_blocks))


def _head(state: State) -> Iterator[Line]:
    daemon, instances = state.daemon, state.instances
    up = sum(one["state"] == "RUNNING" for one in instances)
    ill = sum(condition(one) in ("FATAL", "BACKOFF", "LOST", "unhealthy") for one in instances)
    version = f"gleitzeitd {daemon['version']} " if state.width >= NARROW else ""
    yield [
        Segment(version, BOLD),
        Segment(f"{daemon['state']} {duration(daemon['uptime'])}  "),
        Segment(f"{up}/{len(instances)} up"),
        Segment(f" {ill} ill", ALARM if ill else PLAIN),
        Segment(f"  {rate(daemon['rate']) or '-'} calls/s"),
        Segment(f" {daemon['errors']} err/min", BAD if daemon["errors"] else PLAIN),
        Segment(f" {daemon['queue']} queued"),
    ]
    if state.trouble:
        yield [Segment(exactly(clean(state.trouble), state.width), ALARM + CHOSEN)]
    elif problem := _problem(daemon):
        yield [Segment(clean(problem), ALARM)]


def _problem(daemon: View) -> str:
    """What is wrong with the config, or with what should have been replaced."""
    problems, failures = daemon["problems"], daemon["failures"]
    if problems:
        refused = "the config file is refused" if daemon["refused"] else "config"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{refused}: {problems[0]}{more}"
    if failures:
        return f"{failures[0]['name']} goes on as it was: its replacement failed: {failures[0]['reason']}"
    if later := daemon["after_daemon_restart"]:
        return f"{', '.join(later)} changed, and applies when the daemon is started anew"
    return ""


def _foot(state: State) -> Iterator[Line]:
    one = state.subject
    if one and state.page is Page.TABLE and state.height >= 10:
        yield [Segment(clean(_described(one)), PLAIN)]
    if state.asks:
        yield [Segment(f"restart {clean(state.selected)}? y/n", ALARM)]
    elif state.is_typing:
        yield [Segment(f"filter: {state.wanted}_", BOLD), Segment("  enter keeps it, escape clears it", DIM)]
    elif state.message:
        yield [Segment(clean(state.message), BOLD)]
    else:
        kept = f'filter "{state.wanted}"  ' if state.wanted and state.page is Page.TABLE else ""
        yield [Segment(kept, BOLD), Segment(HINTS[state.page], DIM)]


def _described(one: View) -> str:
    """The selected one in a sentence."""
    said = [f"{one['name']}: {one['state']}"]
    if one["pid"]:
        said.append(f"pid {one['pid']}")
    if one["uptime"] is not None:
        said.append(f"up {duration(one['uptime'])}")
    if one["health"]:
        said.append(one["health"])
    if one["next_in"] is not None:
        said.append(f"next attempt in {duration(one['next_in'])}")
    if one["reason"]:
        said.append(one["reason"])
    return ", ".join(said)

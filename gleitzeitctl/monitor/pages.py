"""What is behind the table: the details of a provider, a log, and help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.segment import Segment

from gleitzeitctl.monitor.columns import MEANING
from gleitzeitctl.monitor.model import State
from gleitzeitctl.monitor.paint import BAD, BOLD, DIM, Line, clean, folded
from gleitzeitctl.monitor.stories import call_form, last_errors

View = dict[str, Any]
KEYS = (
    ("up down, j k", "select; page up, page down, home, end go further"),
    ("left right, < >", "choose the column that sorts"),
    ("i", "sort the other way round"),
    ("/", "show those only whose names have a text in them"),
    ("enter", "details: methods, instances, what failed last"),
    ("l", "the log, as it comes"),
    ("r", "restart, after a y"),
    ("?", "this help"),
    ("q", "back, and from the table: quit"),
    ("ctrl-c", "quit"),
)


def help_lines() -> list[Line]:
    return [
        [Segment("KEYS", BOLD)],
        *([Segment(f"  {key:<16}", BOLD), Segment(what)] for key, what in KEYS),
        [],
        [Segment("COLUMNS", BOLD)],
        *([Segment(f"  {title:<16}", BOLD), Segment(what)] for title, what in MEANING.items()),
    ]


def log_lines(state: State, room: int) -> list[Line]:
    """The newest lines, or those further up."""
    head: Line = [Segment(f"LOG of {clean(state.selected)}", BOLD)]
    if state.scroll:
        head.append(Segment(f"  {state.scroll} lines from its end", DIM))
    wanted = room - 1
    end = len(state.log) - state.scroll
    lines: list[str] = []
    for line in reversed(state.log[:end]):
        if len(lines) >= wanted:
            break
        lines = [*folded(clean(line), max(state.width, 1)), *lines]
    if not state.log:
        lines = ["nothing yet"]
    return [head, *([Segment(line)] for line in lines[-wanted:] if wanted > 0)]


def details(state: State, instances: list[Line]) -> list[Line]:
    offer = state.story.get("offer") or {}
    kind = " ".join(filter(None, (offer.get("type"), offer.get("kind"))))
    about = [Segment(clean(state.provider), BOLD), Segment(f"  {kind}", DIM)]
    if offer.get("description"):
        about.append(Segment(f"  {clean(' '.join(offer['description'].split()))}"))
    lines = [about, *instances, []]
    lines += _section("METHODS", list(_methods(offer)), "it has not said what methods it has")
    lines += _section("LAST ERRORS", list(_errors(state)), "none in the last 50 changes of each instance")
    return lines


def _section(title: str, lines: list[Line], nothing: str) -> Iterator[Line]:
    yield [Segment(title, BOLD)]
    yield from lines or [[Segment(f"  {nothing}", DIM)]]
    yield []


def _methods(offer: View) -> Iterator[Line]:
    for one in offer.get("methods") or ():
        told = " ".join(str(one.get("description") or "").split())
        yield [Segment(f"  {clean(call_form(one))}"), Segment(f"  {clean(told)}", DIM)]


def _errors(state: State) -> Iterator[Line]:
    for text, is_evidence in last_errors(state.story.get("stories") or ()):
        yield [Segment(f"  {clean(text)}", DIM if is_evidence else BAD)]

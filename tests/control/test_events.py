"""The journal: the newest of what happened, from wherever somebody has read to."""

from __future__ import annotations

import pytest

from gleitzeitd.control.events import KEPT, Event, Journal


def whats(events: list[Event]) -> list[object]:
    return [event.get("what", event.get("missed")) for event in events]


def everything(_: Event) -> bool:
    return True


@pytest.mark.parametrize("cursor", ["", "-", "-3", "another-3", "x", "0-0", "\u0661-\u0662"])
def test_a_cursor_of_nobody_gives_all(cursor: str) -> None:
    journal = Journal()
    for number in range(3):
        journal.house(f"{number}")
    assert whats(journal.after(cursor, everything)) == ["0", "1", "2"]


@pytest.mark.parametrize("told", [1, 5, KEPT, KEPT + 1, KEPT + 7])
def test_what_came_after_an_event_is_given_once_and_what_has_left_is_counted(told: int) -> None:
    journal = Journal()
    cursors = list[str]()
    for number in range(told):
        journal.house(f"{number}")
        cursors.append(journal.newest(1, everything)[0]["cursor"])

    for read in {1, 2, told - 1, told} & set(range(1, told + 1)):
        gone = max(told - KEPT - read, 0)
        rest = [f"{number}" for number in range(read + gone, told)]
        assert whats(journal.after(cursors[read - 1], everything)) == ([gone] if gone else []) + rest


def test_a_cursor_of_what_is_still_to_come_gives_nothing() -> None:
    journal = Journal()
    journal.house("once")
    life = journal.newest(1, everything)[0]["cursor"].partition("-")[0]
    assert journal.after(f"{life}-9", everything) == []

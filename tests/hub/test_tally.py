"""What is counted of the calls of one instance, and for how long."""

from __future__ import annotations

import pytest

from gleitzeitd.hub.tally import BOUNDS, SLOT, SLOTS, Tally


def tally(*calls: tuple[str, float, float]) -> Tally:
    """Of calls with these codes, durations and ends."""
    made = Tally()
    for code, seconds, now in calls:
        made.ended(code, seconds, now)
    return made


def test_half_and_nearly_all_of_the_answers_came_within_what_is_told() -> None:
    made = tally(*(("ok", n / 1000, 5.0) for n in range(1, 1001)))

    assert made.recent(5.0).p50 == pytest.approx(0.5, rel=0.06)
    assert made.recent(5.0).p99 == pytest.approx(0.99, rel=0.06)
    assert made.calls == 1000


def test_nothing_is_told_of_the_time_of_what_was_not_answered() -> None:
    made = tally(("provider_error", 0.001, 5.0), ("deadline_exceeded", 120.0, 5.0))

    assert made.recent(5.0) == (2, None, None)


def test_a_caller_who_leaves_is_no_error() -> None:
    made = tally(("cancelled", 1.0, 5.0))

    assert (made.calls, made.recent(5.0).errors) == (1, 0)


def test_what_is_older_than_a_minute_is_forgotten_but_for_its_number() -> None:
    made = tally(("ok", 1.0, 5.0), ("provider_error", 1.0, 5.0), ("provider_error", 1.0, 15.0))

    assert made.recent(59.0).errors == 2
    assert made.recent(60.0) == (1, None, None)
    assert made.recent(70.0) == (0, None, None)
    assert made.calls == 3


def test_what_is_held_is_bounded() -> None:
    made = tally(*(("ok", n % 1000 / 7, n * SLOT / 50) for n in range(10_000)))

    assert len(made._slots) == SLOTS
    assert all(len(slot.took) <= len(BOUNDS) + 1 for slot in made._slots)


def test_what_took_longer_than_all_bounds_took_at_least_the_longest() -> None:
    assert tally(("ok", 5000.0, 5.0)).recent(5.0).p50 == pytest.approx(BOUNDS[-1], rel=0.06)

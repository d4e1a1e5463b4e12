"""Histories of calls that fail and succeed, and what an instance is given afterwards."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeit_extensions.protocol import CODES
from gleitzeitd.core.breaker import (
    CLOSED,
    FAULTS,
    LONGEST_REFUSAL,
    REFUSALS,
    Breaker,
    Circuit,
    after_failure,
    after_success,
    called_off,
    circuit,
    is_open,
    opens_at,
    probing,
    refused,
)
from tests.core.examples import examples


def history(outcomes: str, breaker: Breaker = CLOSED, *, at: float = 0.0, every: float = 0.1) -> Breaker:
    """After calls that ended one after the other: `x` failed, `.` succeeded."""
    for number, outcome in enumerate(outcomes):
        breaker = (after_failure if outcome == "x" else after_success)(breaker, at + number * every)
    return breaker


def opened(times: int) -> Breaker:
    """After so many openings in a row, each probed the moment it may be."""
    breaker = history("xxxxx", every=0)
    for _ in range(times - 1):
        now = opens_at(breaker)
        breaker = after_failure(probing(breaker, now), now)
    return breaker


@pytest.mark.parametrize(
    ("outcomes", "is_tripped"),
    [
        ("xxxx", False),
        ("xxxxx", True),
        ("xxxx.xxxx", False),
        ("x.xx.xx.xx", True),
        ("x.x.x.x.x.", False),
        ("x.x.x.x..x", False),
        ("xx.xx.x", False),
        (".........xxxx", False),
    ],
)
def test_five_in_a_row_or_more_than_half_of_ten_are_too_many(outcomes: str, is_tripped: bool) -> None:
    assert is_open(history(outcomes), 1.5) is is_tripped


def test_what_is_long_ago_does_not_count_except_in_a_row() -> None:
    assert not is_open(history("xx.xx.xx..", every=4), 40)
    assert is_open(history("xxxxx", every=100), 401)


def test_a_well_instance_costs_nothing() -> None:
    assert after_success(CLOSED, 5.0) is CLOSED
    assert probing(CLOSED, 5.0) is CLOSED
    assert history("x" + "." * 400) == CLOSED, "a failure is forgotten"


def test_it_is_open_for_five_seconds_and_then_takes_one_probe() -> None:
    breaker = history("xxxxx", at=10, every=0)

    assert (opens_at(breaker), circuit(breaker, 14.9)) == (15.0, Circuit.OPEN)
    assert is_open(breaker, 14.9)
    assert (is_open(breaker, 15.0), circuit(breaker, 15.0)) == (False, Circuit.HALF_OPEN)
    probed = probing(breaker, 15.0)
    assert is_open(probed, 15.0)
    assert is_open(probed, 1e9)
    assert opens_at(probed) == math.inf, "its end decides"
    assert after_success(probed, 16.0) is CLOSED


def test_each_probe_that_fails_doubles_the_time_up_to_a_minute() -> None:
    spans = [opened(times).span for times in range(1, 7)]

    assert spans == [5, 10, 20, 40, 60, 60]


def test_a_probe_that_was_called_off_says_nothing() -> None:
    probed = probing(opened(2), 15.0)

    assert not is_open(called_off(probed), 15.0)
    assert called_off(probed).span == 10.0
    assert called_off(CLOSED) is CLOSED


def test_what_was_under_way_when_it_opened_changes_nothing() -> None:
    breaker = opened(1)

    assert after_success(breaker, 1.0) is breaker
    assert after_failure(breaker, 1.0) is breaker
    assert after_failure(breaker, 9.0) is breaker, "nor before a probe went"


def test_a_refusal_opens_exactly_until_it_says() -> None:
    breaker = refused(CLOSED, 10.0, 2.5)

    assert (is_open(breaker, 12.4), is_open(breaker, 12.5)) == (True, False)
    assert circuit(breaker, 12.5) is Circuit.CLOSED, "nothing was wrong with it"
    assert probing(breaker, 12.5) is breaker
    assert after_success(breaker, 11.0).until == 12.5
    assert after_success(breaker, 13.0) is CLOSED


def test_the_later_deadline_wins() -> None:
    assert refused(refused(CLOSED, 0.0, 9.0), 1.0, 2.0).until == 9.0
    assert refused(refused(CLOSED, 0.0, 2.0), 1.0, 9.0).until == 10.0
    assert history("xxxxx", refused(CLOSED, 0.0, 30.0)).until == 30.0
    late = refused(opened(1), 1.0, 30.0)
    assert (late.until, circuit(late, 31.0)) == (31.0, Circuit.HALF_OPEN)


@pytest.mark.parametrize("retry_after", [None, 0.0, -1.0, float("nan")])
def test_a_refusal_that_says_no_time_is_an_answer(retry_after: float | None) -> None:
    assert refused(CLOSED, 1.0, retry_after) is CLOSED
    assert history("xxxx", every=0).row == 4
    assert refused(history("xxxx", every=0), 0.0, retry_after).row == 0


def test_a_probe_that_is_refused_has_shown_that_it_answers() -> None:
    breaker = refused(probing(opened(1), 5.0), 5.0, 3.0)

    assert (breaker.span, breaker.until, is_open(breaker, 8.0)) == (0.0, 8.0, False)


def test_nobody_is_believed_for_days() -> None:
    assert refused(CLOSED, 0.0, float("inf")).until == LONGEST_REFUSAL


def test_the_codes_are_those_of_the_protocol() -> None:
    assert CODES.keys() >= FAULTS | REFUSALS
    assert not FAULTS & REFUSALS


@examples(200)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 40),
            st.sampled_from(["call", "fails", "succeeds", "called off", "refused"]),
            st.floats(0.1, 50),
        ),
        max_size=80,
    )
)
def test_nothing_passes_before_its_time_and_one_probe_at_most(
    events: list[tuple[float, str, float]],
) -> None:
    breaker, now, probe = CLOSED, 0.0, False
    for pause, event, seconds in events:
        now += pause
        before = breaker
        if event == "call":
            if is_open(breaker, now):
                assert probe or now < opens_at(breaker)
                continue
            assert now >= opens_at(breaker)
            assert not probe
            probe = circuit(breaker, now) is Circuit.HALF_OPEN
            breaker = probing(breaker, now)
        elif event == "called off":
            breaker, probe = called_off(breaker), False
        elif event == "refused":
            breaker, probe = refused(breaker, now, seconds), False
            assert is_open(breaker, now + seconds * 0.99)
        else:
            breaker, probe = (after_failure if event == "fails" else after_success)(breaker, now), False
        if event != "call" and event != "succeeds" and not before.is_probed:
            assert breaker.until >= before.until
        assert 0 <= breaker.span <= 60

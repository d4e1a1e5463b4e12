"""Calls and retries in time, and what the budget allows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.core.budget import FULL, RESERVE, SECONDS, SHARE, Budget, after_call, after_retry, may_retry
from tests.core.examples import examples


def retries(budget: Budget, now: float, *, wanted: int = 1000) -> tuple[Budget, int]:
    """As many as are allowed now, of those wanted."""
    for count in range(wanted):
        if not may_retry(budget, now):
            return budget, count
        budget = after_retry(budget, now)
    return budget, wanted


def calls(budget: Budget, now: float, count: int) -> Budget:
    for _ in range(count):
        budget = after_call(budget, now)
    return budget


def test_a_few_retries_are_always_allowed() -> None:
    assert retries(FULL, 0.0)[1] == RESERVE


def test_a_fifth_of_the_calls_may_be_repeated() -> None:
    assert retries(calls(FULL, 100.0, 500), 100.5)[1] == RESERVE + 100


def test_what_was_spent_comes_back_after_ten_seconds() -> None:
    spent, _ = retries(calls(FULL, 100.0, 50), 100.0)

    assert not may_retry(spent, 109.9)
    assert retries(spent, 110.0)[1] == RESERVE


def test_nothing_is_saved_for_longer() -> None:
    assert retries(calls(FULL, 100.0, 5000), 110.0)[1] == RESERVE


def test_it_stays_small() -> None:
    budget = FULL
    for now in range(1000):
        budget = after_retry(after_call(budget, now), now)

    assert len(budget.earlier) < SECONDS


@examples(150)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.01, 0.3, 1.7, 6.0]), st.booleans()), max_size=150))
def test_retries_never_exceed_a_fifth_and_the_reserve(steps: list[tuple[float, bool]]) -> None:
    budget, now = FULL, 0.0
    called, again = list[float](), list[float]()
    for pause, is_retry in steps:
        now += pause
        if not is_retry:
            budget = after_call(budget, now)
            called.append(now)
        elif may_retry(budget, now):
            budget = after_retry(budget, now)
            again.append(now)
            # whole seconds, of which the first may have begun a little earlier
            since = int(now) - SECONDS + 1
            assert sum(t >= since for t in again) <= RESERVE + SHARE * sum(t >= since for t in called)
        else:
            since = int(now) - SECONDS + 1
            assert sum(t >= since for t in again) + 1 > RESERVE + SHARE * sum(t >= since for t in called)

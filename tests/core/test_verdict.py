"""What many checks come to: histories of outcomes, and any history at all against a model."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.core.spec import Check
from gleitzeitd.core.verdict import Outcome, Verdict, count

CHECK = Check(failures=3, successes=2)


def verdicts(*found: bool | str | None, check: Check = CHECK) -> list[Verdict]:
    """The verdict after each outcome: True, the reason of a failure, or None when it could not be asked."""
    verdict, history = Verdict(), list[Verdict]()
    for one in found:
        outcome = Outcome(one is True if one is not None else None, one if isinstance(one, str) else "")
        verdict = count(verdict, check, outcome)
        history.append(verdict)
    return history


def goods(*found: bool | str | None, check: Check = CHECK) -> list[bool | None]:
    return [verdict.good for verdict in verdicts(*found, check=check)]


def test_nothing_is_known_before_enough_of_a_kind_came_in_a_row() -> None:
    assert goods(True, "a", True, "a", "b") == [None] * 5


def test_successes_in_a_row_make_it_good() -> None:
    assert goods(True, True) == [None, True]


def test_failures_in_a_row_make_it_bad() -> None:
    assert goods(True, True, "a", "b", "c") == [None, True, True, True, False]


def test_one_success_between_failures_starts_the_count_anew() -> None:
    assert goods(True, True, "a", "b", True, "a", "b") == [None, True, True, True, True, True, True]


def test_one_failure_between_successes_starts_the_count_anew() -> None:
    assert goods("a", "b", "c", True, "d", True, True) == [None, None, False, False, False, False, True]


def test_a_verdict_stands_until_the_opposite_is_shown() -> None:
    assert goods("a", "b", "c", "d", True, True, True) == [None, None, False, False, False, True, True]


def test_one_may_be_enough() -> None:
    assert goods(True, "a", True, check=Check(failures=1, successes=1)) == [True, False, True]


def test_the_reason_is_that_of_the_last_failure_until_it_is_good_again() -> None:
    reasons = [verdict.reason for verdict in verdicts("a", "b", "c", True, True, "d", True)]

    assert reasons == ["a", "b", "c", "c", "", "d", ""]


def test_what_could_not_be_asked_changes_no_count_and_says_why() -> None:
    """Broken once by counting it as a failure: a lack of descriptors would restart everything."""
    check, shortage = Check(failures=2, successes=2), Outcome(None, "Too many open files")
    for known in verdicts(True, True, "a", check=check):
        after = count(known, check, shortage)
        assert after == Verdict(known.good, known.failures, known.successes, "Too many open files")


OUTCOMES = st.lists(st.sampled_from([True, False, None]), max_size=40)


@given(OUTCOMES, st.integers(1, 4), st.integers(1, 4))
def test_any_history_comes_to_its_last_row_that_was_long_enough(
    found: list[bool | None], failures: int, successes: int
) -> None:
    check, verdict = Check(failures=failures, successes=successes), Verdict()
    for ok in found:
        verdict = count(verdict, check, Outcome(ok, "" if ok else "why"))

    rows = [(ok, len(list(row))) for ok, row in groupby(ok for ok in found if ok is not None)]
    enough = [ok for ok, length in rows if length >= (successes if ok else failures)]
    assert verdict.good == (enough[-1] if enough else None)
    last, length = rows[-1] if rows else (None, 0)
    assert (verdict.successes, verdict.failures) == (length if last else 0, 0 if last else length)
    if verdict.good and found[-1]:
        assert verdict.reason == ""

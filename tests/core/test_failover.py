"""Every error a call can end with, and what becomes of the call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeit_extensions.protocol import CODES
from gleitzeitd.core.failover import (
    ATTEMPTS,
    CLASSES,
    DEFAULT,
    PASSING,
    REFUSED,
    TROUBLES,
    UNDONE,
    Next,
    after,
    fallbacks_for,
)
from tests.core.examples import examples

AGAIN, ELSEWHERE, FALLBACK, GIVE_UP = Next.AGAIN, Next.AGAIN_ELSEWHERE, Next.FALLBACK, Next.GIVE_UP
FINAL = CODES.keys() - UNDONE - TROUBLES - {"instance_lost"}
codes = st.sampled_from([*CODES, "something.new"])


@pytest.mark.parametrize("code", sorted(REFUSED))
def test_what_an_instance_did_not_begin_goes_to_another(code: str) -> None:
    assert after(code, may_repeat=False, attempt=1, others=True) is ELSEWHERE
    assert after(code, may_repeat=False, attempt=1, others=True, affords=False) is ELSEWHERE
    assert after(code, may_repeat=False, attempt=1, others=False) is GIVE_UP
    assert after(code, may_repeat=False, attempt=1, others=False, falls_back=True) is FALLBACK


def test_what_was_lost_is_repeated_at_no_cost_when_it_may_be() -> None:
    assert after("instance_lost", may_repeat=True, attempt=1, others=False, affords=False) is AGAIN
    assert after("instance_lost", may_repeat=True, attempt=ATTEMPTS, others=True) is GIVE_UP
    assert after("instance_lost", may_repeat=False, attempt=1, others=True, falls_back=True) is GIVE_UP


@pytest.mark.parametrize("code", sorted(TROUBLES))
def test_trouble_is_tried_elsewhere_then_by_a_fallback_then_once_more(code: str) -> None:
    assert after(code, may_repeat=True, attempt=1, others=True, falls_back=True) is ELSEWHERE
    assert after(code, may_repeat=True, attempt=1, others=False, falls_back=True) is FALLBACK
    assert after(code, may_repeat=True, attempt=1, others=False) is AGAIN
    assert after(code, may_repeat=True, attempt=1, others=True, affords=False) is GIVE_UP
    assert after(code, may_repeat=False, attempt=1, others=True, falls_back=True) is GIVE_UP


@pytest.mark.parametrize("code", sorted(FINAL))
def test_an_answer_is_never_asked_for_again(code: str) -> None:
    assert after(code, may_repeat=True, attempt=1, others=True) is GIVE_UP


def test_a_prompt_that_is_too_long_may_fall_back_though_it_must_not_be_repeated() -> None:
    assert after("context_too_long", may_repeat=False, attempt=1, others=True, falls_back=True) is FALLBACK


@examples(300)
@given(codes, st.booleans(), st.integers(1, 5), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_nothing_is_done_twice_that_must_not_be_and_nothing_without_end(
    code: str,
    may_repeat: bool,
    attempt: int,
    others: bool,
    affords: bool,
    falls_back: bool,
    delivered: bool,
) -> None:
    found = after(
        code,
        may_repeat=may_repeat,
        attempt=attempt,
        others=others,
        affords=affords,
        falls_back=falls_back,
        delivered=delivered,
    )

    if delivered or (not may_repeat and code not in UNDONE):
        assert found is GIVE_UP
    if attempt >= ATTEMPTS:
        assert found in (FALLBACK, GIVE_UP)
    assert found is not ELSEWHERE or others
    assert found is not FALLBACK or falls_back
    if code in TROUBLES and not affords:
        assert found in (FALLBACK, GIVE_UP)


NAMED = {"default": ("other",), "context_too_long": ("long", "longer"), "rate_limited": ()}


@pytest.mark.parametrize(
    ("code", "targets"),
    [
        ("unavailable", ("other",)),
        ("instance_lost", ("other",)),
        ("context_too_long", ("long", "longer")),
        ("rate_limited", ()),
        ("content_filtered", ()),
        ("provider_error", ()),
        ("deadline_exceeded", ()),
        ("cancelled", ()),
        ("default", ("other",)),
    ],
)
def test_a_fallback_is_of_the_errors_class_else_of_the_default(code: str, targets: tuple[str, ...]) -> None:
    assert fallbacks_for(NAMED, code) == targets


def test_no_fallback_is_for_a_call_whose_time_is_over_or_that_nobody_wants() -> None:
    for code in ("deadline_exceeded", "cancelled"):
        assert fallbacks_for({DEFAULT: ("other",), code: ("other",)}, code) == ()


def test_the_codes_are_those_of_the_protocol() -> None:
    retryable = {code for code, meaning in CODES.items() if meaning.retryable}

    assert retryable - {"deadline_exceeded"} == PASSING
    assert CODES.keys() >= UNDONE | TROUBLES | {*CLASSES} - {DEFAULT}

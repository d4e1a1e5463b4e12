"""What is done without pydantic is what pydantic would have done."""

from __future__ import annotations

import operator
from functools import reduce
from types import GenericAlias
from typing import Any, Literal, get_args, get_origin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from gleitzeit_extensions import plain

NUMBERS = st.integers() | st.integers(-(2**1100), 2**1100) | st.floats() | st.booleans()
WORDS = st.text(max_size=3) | st.sampled_from(["1", "1.0", "true", "on", "nan", " 2 ", "1_0", "\ud800"])
ANYTHING = st.recursive(
    st.none() | NUMBERS | WORDS | st.tuples(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=6,
)
SCALARS = st.sampled_from(list(plain.SCALARS))
HINTS = st.recursive(
    SCALARS
    | st.sampled_from([Any, list, dict, Literal[1, "1"]])
    | st.lists(SCALARS | st.just(Literal["on"]), min_size=2, max_size=4).map(
        lambda kinds: reduce(operator.or_, kinds)
    ),
    lambda inner: (
        inner.map(lambda hint: GenericAlias(list, (hint,)))
        | inner.map(lambda hint: GenericAlias(dict, (str, hint)))
    ),
    max_leaves=3,
)


def fitting(hint: Any) -> st.SearchStrategy[Any]:
    """Mostly values that the hint is about, so that not all of them are unsure."""
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind is list:
        return st.lists(fitting(args[0]) if args else ANYTHING, max_size=3) | ANYTHING
    if kind is dict:
        return st.dictionaries(WORDS, fitting(args[1]) if args else ANYTHING, max_size=3) | ANYTHING
    return NUMBERS | WORDS | ANYTHING


@st.composite
def hints_and_values(draw: st.DrawFn) -> tuple[Any, Any]:
    hint = draw(HINTS)
    return hint, draw(fitting(hint))


@given(hints_and_values())
def test_what_is_taken_is_what_pydantic_makes_of_it(one: tuple[Any, Any]) -> None:
    hint, value = one
    try:
        taken = plain.fitted(hint, value)
    except plain.Unsure:
        return
    converted = TypeAdapter(hint).validate_python(value)

    assert repr(taken) == repr(converted)  # which tells 1 from 1.0 and True, and a NaN is like another
    assert (taken is value) == (converted is value) or not isinstance(value, list | dict)


@example(None | int, "validation")
@given(HINTS, st.sampled_from(["validation", "serialization"]))
def test_what_is_described_is_described_as_by_pydantic(hint: Any, mode: JsonSchemaMode) -> None:
    try:
        described = plain.schema(hint)
    except plain.Unsure:
        return

    assert described == TypeAdapter(hint).json_schema(mode=mode)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int, 1),
        (float, 1),
        (float | None, 1),
        (str | None, None),
        (list, [1]),
        (list[list[float]], [[1, 0.5], []]),
        (dict[str, Any], {"a": [None]}),
        (dict[str, int | str], {"a": 1, "b": ""}),
    ],
)
def test_what_is_usual_needs_no_pydantic(hint: Any, value: Any) -> None:
    assert plain.fitted(hint, value) == value
    assert plain.schema(hint)


@pytest.mark.parametrize(
    ("hint", "value"),
    [(int, True), (int, "1"), (float, 10**400), (dict[str, int], {1: 1}), (list[int], (1,))],
)
def test_what_has_to_be_converted_or_refused_is_left_to_pydantic(hint: Any, value: Any) -> None:
    with pytest.raises(plain.Unsure):
        plain.fitted(hint, value)

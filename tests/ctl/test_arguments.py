"""Arguments as words: each is of the type that its method's schema says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeitctl.arguments import Misfit, Takes, read, together, written
from gleitzeitctl.examples import example, sample
from gleitzeitctl.schemas import fits

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-(10**18), 10**18)
PLAIN = st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "integer": INTEGERS,
    "number": FLOATS | INTEGERS,
    "string": TEXTS | st.sampled_from(["5", "true", "null", '"5"', "[1]", "", "a=b", "@file", "-"]),
    "array": st.lists(JSON, max_size=3),
    "object": st.dictionaries(TEXTS, JSON, max_size=3),
}


@st.composite
def values_of_a_schema(draw: st.DrawFn) -> tuple[Any, Any]:
    """A value, and a schema that allows it."""
    kinds = draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4, unique=True))
    value = draw(KINDS[kinds[0]])
    shape = draw(st.sampled_from(["any", "type", "anyOf", "enum", "$ref"]))
    schemas: dict[str, Any] = {
        "any": {},
        "type": {"type": kinds if len(kinds) > 1 else kinds[0]},
        "anyOf": {"anyOf": [{"type": kind} for kind in reversed(kinds)]},
        "enum": {"enum": ["5", value, 5]},
        "$ref": {"$ref": "#/$defs/It"},
    }
    return value, (schemas[shape], {"It": {"type": kinds}})


@given(values_of_a_schema())
def test_any_value_is_read_back_from_what_a_user_would_write(case: tuple[Any, Any]) -> None:
    """Seen to fail with `:=` read as `=`, and with JSON taken for text in a union."""
    value, (schema, definitions) = case
    takes = Takes({"properties": {"a": schema}, "$defs": definitions})

    name, back = read(written("a", value, takes), takes)

    assert (name, json.dumps(back)) == ("a", json.dumps(value))


@given(KINDS["string"])
def test_a_string_is_what_stands_there(text: str) -> None:
    assert read(f"a={text}", Takes({"properties": {"a": {"type": "string"}}})) == ("a", text)


OPTIONAL = {"anyOf": [{"type": "string"}, {"type": "null"}]}
EITHER = {"type": ["integer", "string"]}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "number"}, "5", 5),
        ({"type": "number"}, "-2.5e3", -2500.0),
        ({"type": "integer"}, "007", Misfit),
        ({"type": "integer"}, "5.5", Misfit),
        ({"type": "integer"}, "true", Misfit),
        ({"type": "integer"}, "", Misfit),
        ({"type": "number"}, "NaN", Misfit),
        ({"type": "number"}, "1e999", Misfit),
        ({"type": "boolean"}, "true", True),
        ({"type": "boolean"}, "True", Misfit),
        ({"type": "boolean"}, "1", Misfit),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"type": "array"}, "1,2", Misfit),
        ({"type": "object"}, '{"b": null}', {"b": None}),
        (OPTIONAL, "null", None),
        (OPTIONAL, "5", "5"),
        (EITHER, "5", 5),
        (EITHER, "five", "five"),
        (EITHER, "5.5", "5.5"),
        ({"enum": ["fast", "good"]}, "good", "good"),
        ({"enum": ["fast", "good"]}, "god", Misfit),
        ({"enum": [1, 2]}, "2", 2),
        ({}, "5", 5),
        ({}, "five", "five"),
        (True, "[1", "[1"),
    ],
)
def test_a_value_is_what_the_schema_takes(schema: Any, text: str, value: Any) -> None:
    takes = Takes({"properties": {"a": schema}})

    if value is Misfit:
        with pytest.raises(Misfit, match=r"^a must be "):
            read(f"a={text}", takes)
    else:
        assert repr(read(f"a={text}", takes)[1]) == repr(value)


ADD = Takes(
    {
        "properties": {"a": {"type": "number"}, "base": {"type": "number", "default": 10}},
        "required": ["a"],
        "additionalProperties": False,
    }
)


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (["a=five"], 'a must be a number, not "five"'),
        (["a="], "a must be a number, not nothing"),
        (["a=1", "a=2"], "a is given twice"),
        (["a=1", "bass=2"], "it takes no bass (did you mean base?); it takes a: number, base?: number = 10"),
        (["base=2"], "a is missing; it takes a: number, base?: number = 10"),
        (["5"], 'an argument is written as a=5, not as "5"'),
        (["=5"], 'an argument is written as a=5, not as "=5"'),
        (
            ["a:=five"],
            'a:= takes JSON, not "five" (Expecting value: line 1 column 1 (char 0)); text is written as a=',
        ),
    ],
)
def test_what_cannot_be_meant_is_said(pairs: list[str], sentence: str) -> None:
    with pytest.raises(Misfit) as raised:
        together(ADD, {}, pairs)

    assert str(raised.value) == sentence


def test_pairs_go_before_what_is_given_otherwise() -> None:
    assert together(ADD, {"a": 1, "base": 2}, ["base=3"]) == {"a": 1, "base": 3}


def test_what_has_no_name_is_typed_as_others_are() -> None:
    takes = Takes({"properties": {}, "additionalProperties": {"type": "string"}})

    assert together(takes, {}, ["any=5"]) == {"any": "5"}


@given(st.sampled_from([*KINDS, ["null", "string"]]), st.integers(-9, 9))
def test_a_sample_is_of_its_schema(kind: Any, least: int) -> None:
    schema = {"type": kind, "minimum": least}

    assert fits(sample(schema, {}), schema, {})
    assert kind not in ("integer", "number") or sample(schema, {}) >= least


def test_an_example_can_be_copied() -> None:
    method = {"name": "say", "stream": True}
    properties = {"words": {"type": "array", "items": {"type": "string"}}, "loud": {"type": "boolean"}}
    takes = Takes({"properties": properties, "required": ["words", "loud"]})

    assert example("my llm", method, takes) == (
        "gleitzeitctl providers stream 'my llm' say 'words=[\"text\"]' loud=true"
    )


def test_a_schema_that_never_ends_is_not_followed_for_ever() -> None:
    endless: dict[str, Any] = {
        "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}},
        "properties": {"a": {"$ref": "#/$defs/A"}},
    }

    assert read("a=5", Takes(endless)) == ("a", 5)
    assert written("a", sample(endless["properties"]["a"], endless), Takes(endless)) == "a=text"

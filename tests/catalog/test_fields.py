"""Values of a configuration: where each comes from, what it becomes, and what is said of wrong ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeit_extensions.catalog.fields import FALSE, TRUE, Misdeclared, field, resolve
from gleitzeit_extensions.catalog.meta import ConfigField, ExtensionMeta
from gleitzeit_extensions.exceptions import ExtensionConfigError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(min_size=1),
    "secret": st.text(min_size=1),
    "integer": st.integers(),
    "number": FINITE,
    "boolean": st.booleans(),
    "list": st.lists(JSON, max_size=4),
    "object": st.dictionaries(st.text(), JSON, max_size=4),
}
TYPED = st.sampled_from(sorted(OF_TYPE)).flatmap(lambda type: st.tuples(st.just(type), OF_TYPE[type]))


def meta(*declared: ConfigField) -> ExtensionMeta:
    return ExtensionMeta("weather", config={one.name: one for one in declared})


def resolved(one: ConfigField, given: Any = None, variable: str | None = None) -> Any:
    environ = {} if variable is None else {"WEATHER": variable}
    return resolve(meta(one), {} if given is None else {one.name: given}, environ).get(one.name)


def said(*declared: ConfigField, environ: dict[str, str] | None = None, **given: Any) -> str:
    with pytest.raises(ExtensionConfigError) as raised:
        resolve(meta(*declared), given, environ or {})
    assert raised.value.extension_name == "weather"
    return str(raised.value).removeprefix('"weather" is not well configured: ')


@given(TYPED)
def test_what_is_given_in_its_type_is_kept_as_it_is(typed: tuple[str, Any]) -> None:
    type, value = typed
    assert resolved(field("f", type=type), value) == value


@given(TYPED)
def test_what_is_written_into_a_variable_comes_back_in_its_type(typed: tuple[str, Any]) -> None:
    type, value = typed
    text = value if type in ("string", "secret") else json.dumps(value)
    found = resolved(field("f", type=type, env_var="WEATHER"), variable=text)
    assert found == value
    assert type == "number" or found.__class__ is value.__class__


@given(st.sampled_from(sorted(OF_TYPE)), st.text())
def test_whatever_a_variable_holds_is_a_value_of_the_type_or_a_mistake_that_does_not_show_it(
    type: str, text: str
) -> None:
    one = field("f", type=type, env_var="WEATHER")
    text = f"<{text}>"  # no shorter than what could stand in a sentence by chance
    if type in ("string", "secret", "list"):
        value = resolved(one, variable=text)
        assert resolved(one, value) == value
    else:
        sentence = said(one, environ={"WEATHER": text})
        assert "$WEATHER" in sentence
        assert text not in sentence


@given(TYPED, st.sampled_from(sorted(OF_TYPE)))
def test_a_value_of_another_type_is_no_value(typed: tuple[str, Any], wanted: str) -> None:
    type, value = typed
    alike = {"string": "text", "secret": "text", "integer": "integer", "number": "float"}
    if alike.get(type, type) == alike.get(wanted, wanted) or (type, wanted) == ("integer", "number"):
        assert resolved(field("f", type=wanted), value) == value
    else:
        assert said(field("f", type=wanted), f=value).startswith("f has to be a")


@pytest.mark.parametrize(("words", "value"), [(TRUE, True), (FALSE, False)])
def test_a_flag_is_read_in_any_of_its_words(words: tuple[str, ...], value: bool) -> None:
    for word in words:
        assert resolved(field("f", type="boolean", env_var="WEATHER"), variable=f" {word.upper()} ") is value


@pytest.mark.parametrize(
    ("text", "items"), [("a, b ,,c", ["a", "b", "c"]), ('["a, b", 1]', ["a, b", 1]), (" one ", ["one"])]
)
def test_a_list_is_json_or_separated_by_commas(text: str, items: list[Any]) -> None:
    assert resolved(field("f", type="list", env_var="WEATHER"), variable=text) == items


def test_what_is_given_comes_before_the_variable_and_that_before_the_default() -> None:
    one = field("f", type="integer", default=1, env_var="WEATHER")
    assert [resolved(one), resolved(one, variable="2"), resolved(one, 3, "2")] == [1, 2, 3]
    assert resolved(one, variable="") == 1
    assert resolve(meta(field("f")), {}, {}) == {}


def test_a_falsy_value_is_a_value() -> None:
    one = field("f", type="integer", default=1, required=True, env_var="WEATHER")
    assert [resolved(one, 0), resolved(one, variable="0")] == [0, 0]
    assert resolved(field("f", type="boolean", default=True, env_var="WEATHER"), False) is False


def test_all_mistakes_come_in_one_error() -> None:
    declared = [
        field("key", required=True, env_var="WEATHER_KEY"),
        field("city", required=True),
        field("days", type="integer", min=1, max=14),
        field("unit", choices=["C", "F"]),
        field("retries", type="integer", env_var="RETRIES"),
        field("tags", type="list", max=2),
    ]
    assert said(*declared, environ={"RETRIES": "many"}, days=15, unit="K", tags=[1, 2, 3]).split("; ") == [
        "key is required: give it, or set $WEATHER_KEY",
        "city is required",
        "days has to be at most 14, not 15",
        'unit has to be one of "C", "F", not "K"',
        "retries has to be an integer, and $RETRIES is not",
        "tags has to be at most 2 items, not [1, 2, 3]",
    ]


@pytest.mark.parametrize(
    ("type", "value", "sentence"),
    [
        ("integer", "5", 'f has to be an integer, not "5"'),
        ("integer", True, "f has to be an integer, not true"),
        ("integer", 1.0, "f has to be an integer, not 1.0"),
        ("number", float("nan"), "f has to be a number, not NaN"),
        ("string", b"x", "f has to be a string, not a bytes"),
        ("string", ["x" * 100], f'f has to be a string, not ["{"x" * 58}...'),
        ("boolean", "true", 'f has to be a boolean, not "true"'),
    ],
)
def test_a_wrong_value_is_shown_with_what_it_has_to_be(type: str, value: Any, sentence: str) -> None:
    assert said(field("f", type=type), f=value) == sentence


def test_a_number_that_is_too_long_to_be_shown_is_one() -> None:
    assert resolved(field("f", type="number"), 10**5000) == 10**5000
    assert said(field("f", type="string"), f=10**5000) == "f has to be a string, not a int"


def test_bounds_are_shown_as_they_were_written() -> None:
    assert said(field("f", type="integer", max=1_000_000), f=1_000_001).endswith("1000000, not 1000001")
    assert said(field("f", type="number", max=10**400), f=10**401).startswith("f has to be at most 1000")


def test_a_list_nested_without_an_end_is_only_no_list() -> None:
    assert said(field("f", type="list", env_var="W"), environ={"W": "[" * 100_000}).endswith("$W is not")


PASSWORD = "hunter2-is-my-password"


@pytest.mark.parametrize("how", [{"max": 3}, {"min": 99}, {"choices": [f"{PASSWORD}-2"]}])
def test_no_error_shows_a_secret(how: dict[str, Any]) -> None:
    one = field("f", type="secret", env_var="W", **how)
    texts = [said(one, environ={"W": PASSWORD}), said(one, f=PASSWORD), said(one, f=[PASSWORD])]
    assert not [text for text in texts if PASSWORD in text]


def test_no_repr_shows_a_secret() -> None:
    one = field("f", type="secret", default=PASSWORD, choices=[PASSWORD])
    assert one.default == PASSWORD
    assert PASSWORD not in repr(meta(one)) + str(one)


def test_no_declaration_that_is_wrong_shows_a_secret() -> None:
    for keys in ({"default": [PASSWORD]}, {"default": PASSWORD, "max": 3}, {"choices": [[PASSWORD]]}):
        with pytest.raises(Misdeclared) as raised:
            field("f", type="secret", **keys)
        assert PASSWORD not in str(raised.value)


def test_fields_that_differ_look_different() -> None:
    assert repr(field("f", default="a")) != repr(field("f", default="b"))


@pytest.mark.parametrize(
    ("name", "keys", "sentence"),
    [
        ("f", {"type": "int"}, 'type: "int" is no type (did you mean integer?): there are string, '),
        ("f", {"type": "strng"}, "did you mean string?"),
        ("f", {"type": "zzz"}, 'type: "zzz" is no type: there are'),
        ("f", {"type": 3}, "type: 3 is not the name of a type"),
        ("f", {"typ": "integer"}, "typ: there is no such key (did you mean type?)"),
        ("f", {"min": 3, "max": 2}, "min: 3 is more than max, 2"),
        ("f", {"min": True}, "min: true is not a number"),
        ("f", {"max": float("nan")}, "max: NaN is not a number"),
        ("f", {"required": "yes"}, 'required: "yes" is not true or false'),
        ("f", {"choices": "abc"}, 'choices: "abc" is not a list'),
        ("f", {"choices": [1]}, "choices: has to be a string, not 1"),
        ("f", {"type": "integer", "default": "5"}, 'default: has to be an integer, not "5"'),
        ("f", {"type": "integer", "default": 5, "max": 3}, "default: has to be at most 3, not 5"),
        ("f", {"default": "c", "choices": ["a", "b"]}, 'default: has to be one of "a", "b", not "c"'),
        ("api-key", {}, "name: 'api-key' cannot be the name of a field"),
        (3, {}, "name: 3 cannot be the name of a field"),
    ],
)
def test_a_declaration_that_cannot_be_meant_is_refused(
    name: Any, keys: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Misdeclared) as raised:
        field(name, **keys)
    assert sentence in str(raised.value)

"""JSON Schemas and conversions from type hints, by pydantic.

Imported when a hint is not one of the `plain` ones, or a value has to be converted or refused: it costs a
process 80 ms and 9 MB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import GenericAlias, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import ErrorDetails

from gleitzeit_extensions.plain import Unfit
from gleitzeit_extensions.protocol import Wire

LONGEST_SHOWN = 40
"""Characters of a value that an error repeats."""

NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a string",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "an object",
    "dataclass": "an object",
    "model": "an object",
}
"""What pydantic's kinds of errors want, in the words of JSON."""

SHOULD = "Input should be "
_INPUT: JsonSchemaMode = "validation"


class Typed:
    """The parameters of one method that have a usable hint; the others pass as they are."""

    def __init__(self, hints: Mapping[str, Any]) -> None:
        self._adapters = {name: found for name, hint in hints.items() if (found := _adapter(hint))}

    def schemas(self) -> tuple[dict[str, Wire], Wire]:
        """The schema of each parameter, and the definitions that they refer to."""
        wanted = [(name, _INPUT, adapter) for name, adapter in self._adapters.items()]
        found, shared = TypeAdapter.json_schemas(wanted, schema_generator=_Untitled)
        return {name: schema for (name, _), schema in found.items()}, shared.get("$defs", {})

    def convert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the hints want them, as far as JSON can mean that; raises `Unfit`."""
        converted = dict(arguments)
        for name, adapter in self._adapters.items():
            if name in arguments:
                try:
                    converted[name] = adapter.validate_python(arguments[name])
                except ValidationError as exc:
                    raise _unfit(name, exc.errors(include_url=False)) from exc
        return converted


def returned(hint: Any) -> Wire | None:
    """The schema of a result; None when there is none."""
    adapter = _adapter(hint, "serialization")
    return _schema(adapter, "serialization") if adapter else None


class _Untitled(GenerateJsonSchema):
    """Without the titles that only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _adapter(hint: Any, mode: JsonSchemaMode = _INPUT) -> TypeAdapter[Any] | None:
    """None for a hint that says nothing about JSON."""
    try:
        adapter = TypeAdapter(_with_lists(hint))
        _schema(adapter, mode)
    except Exception:  # an author's types may do anything
        return None
    return adapter


def _with_lists(hint: Any) -> Any:
    """The hint with a list for an Iterable."""
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind is Iterable:
        # pydantic would look at its items only as the method reads them, and let it read them once
        return GenericAlias(list, args or (Any,))
    if kind in (Union, UnionType):
        return Union[tuple(map(_with_lists, args))]  # noqa: UP007, as they are known only now
    return hint


def _schema(adapter: TypeAdapter[Any], mode: JsonSchemaMode) -> Wire:
    """Raises ValueError for one that JSON has no form for, such as a bound that is infinite."""
    schema = adapter.json_schema(schema_generator=_Untitled, mode=mode)
    json.dumps(schema, allow_nan=False)
    return schema


def _unfit(parameter: str, errors: list[ErrorDetails]) -> Unfit:
    first = errors[0]
    alternatives = [error for error in errors if error["input"] is first["input"]]
    place = first["loc"] if len(alternatives) == 1 else _common([error["loc"] for error in alternatives])
    path = parameter + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    wanted = list(dict.fromkeys(_wanted(error) for error in alternatives))
    if NOUNS["float"] in wanted and NOUNS["int"] in wanted:
        wanted.remove(NOUNS["int"])
    if first["type"] == "missing":
        return Unfit(parameter, f"{path} is missing")
    if None in wanted:
        return Unfit(parameter, f"{path}: {first['msg'].removeprefix('Value error, ')}")
    return Unfit(parameter, f"{path} must be {' or '.join(map(str, wanted))}", shown(first["input"]))


def _wanted(error: ErrorDetails) -> str | None:
    noun = NOUNS.get(error["type"].split("_", 1)[0])
    if noun and error["type"].endswith(("_type", "_parsing", "_from_float")):
        return noun
    return error["msg"].removeprefix(SHOULD) if error["msg"].startswith(SHOULD) else None


def _common(places: list[tuple[int | str, ...]]) -> tuple[int | str, ...]:
    """What all begin with: where they go on, pydantic names the alternatives of a union."""
    first = places[0]
    length = 0
    while length < len(first) and all(place[: length + 1] == first[: length + 1] for place in places):
        length += 1
    return first[:length]


def shown(value: object) -> str:
    """A value that an error may repeat, or what it is, when it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return f"a {type(value).__name__}"
    if len(text) <= LONGEST_SHOWN:
        return text
    match value:
        case str():
            return f"a string of {len(value):,} characters"
        case list():
            return f"a list of {len(value):,}"
        case dict():
            return f"an object with {len(value):,} names"
    return f"a number of {len(text):,} digits"

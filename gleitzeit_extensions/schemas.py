"""JSON Schemas and conversions from type hints, by pydantic.

Imported when the first method with hints is described or called: it costs a process 0.1 s and 8 MB.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any, get_args, get_origin

import typing_extensions
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import ErrorDetails

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
_typed_dict: Any = typing_extensions.TypedDict


class Unfit(ValueError):
    """A value that its hint does not allow; the text is a clause: `a must be a number, not "five"`."""

    def __init__(self, clause: str, parameter: str) -> None:
        super().__init__(clause)
        self.parameter = parameter


class Typed:
    """The parameters of one method that have a usable hint; the others pass as they are."""

    def __init__(self, hints: Mapping[str, Any]) -> None:
        try:
            self._adapter = _arguments(hints)
            self.schema = _schema(self._adapter, "validation")
        except Exception:  # an author's types may do anything: those that cannot be used are not checked
            self._adapter = _arguments({name: hint for name, hint in hints.items() if _is_usable(hint)})
            self.schema = _schema(self._adapter, "validation")

    def convert(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the hints want them, as far as JSON can mean that; raises `Unfit`."""
        try:
            converted: dict[str, Any] = self._adapter.validate_python(arguments)
        except ValidationError as exc:
            raise _unfit(exc.errors(include_url=False)) from exc
        return converted


def returned(hint: Any, streams: bool) -> dict[str, Any] | None:
    """The schema of a result, or of one item of a stream; None when there is none."""
    if streams:
        origin = get_origin(hint)
        if not (isinstance(origin, type) and issubclass(origin, (AsyncIterable, Iterable))):
            return None
        hint = get_args(hint)[0]
    if hint is Any:
        return None
    try:
        return _schema(TypeAdapter(hint), "serialization")
    except Exception:  # as above
        return None


class _Plain(GenerateJsonSchema):
    """Without the titles that only repeat the names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _arguments(hints: Mapping[str, Any]) -> TypeAdapter[Any]:
    kind = _typed_dict("Arguments", dict(hints), total=False)
    kind.__pydantic_config__ = ConfigDict(extra="allow")
    return TypeAdapter(kind)


def _schema(adapter: TypeAdapter[Any], mode: JsonSchemaMode) -> dict[str, Any]:
    """Raises ValueError for one that JSON has no form for, such as a bound that is infinite."""
    schema = adapter.json_schema(schema_generator=_Plain, mode=mode)
    json.dumps(schema, allow_nan=False)
    return schema


def _is_usable(hint: Any) -> bool:
    try:
        _schema(_arguments({"it": hint}), "validation")
    except Exception:  # as above
        return False
    return True


def _unfit(errors: list[ErrorDetails]) -> Unfit:
    first = errors[0]
    alternatives = [error for error in errors if error["input"] is first["input"]]
    place = first["loc"] if len(alternatives) == 1 else _common([error["loc"] for error in alternatives])
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    wanted = list(dict.fromkeys(_wanted(error) for error in alternatives))
    if NOUNS["float"] in wanted and NOUNS["int"] in wanted:
        wanted.remove(NOUNS["int"])
    parameter = str(first["loc"][0])
    if first["type"] == "missing":
        return Unfit(f"{path} is missing", parameter)
    if None in wanted:
        return Unfit(f"{path}: {first['msg'].removeprefix('Value error, ')}", parameter)
    return Unfit(f"{path} must be {' or '.join(map(str, wanted))}, not {shown(first['input'])}", parameter)


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

"""What kind of value the schema has at a path."""

from __future__ import annotations

from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from gleitzeitd.config.place import Path


def takes_text(model: type[BaseModel], path: Path) -> bool:
    """Whether text is what the setting wants, so that `8080` is no number there; true of unknown keys."""
    kind: Any = model
    for part in path:
        kind = _below(kind, part)
        if kind is Any:
            return True
    return _is_text(kind)


def keys(model: type[BaseModel], path: Path) -> set[str]:
    """The keys that the schema has at `path`."""
    kind: Any = model
    for part in path:
        kind = _below(kind, part)
    return {key for one in _choices(kind) if _is_section(one) for key in fields(one)}


def with_sections(kind: Any, data: Any) -> Any:
    """The data with each section that is empty, as all its keys are commented out, as one without keys."""
    if data is None and (_is_section(kind) or get_origin(kind) is dict):
        return {}
    if not isinstance(data, dict) or not _is_section(kind):
        return data
    return {key: with_sections(fields(kind).get(key), value) for key, value in data.items()}


@cache
def fields(model: type[BaseModel]) -> dict[str, Any]:
    """The kind of each key that a section has."""
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _below(kind: Any, part: str | int) -> Any:
    """What kind a part of this kind is; anything at all where the schema does not say."""
    for one in _choices(kind):
        if _is_section(one):
            return fields(one).get(str(part), Any)
        if get_origin(one) in (dict, list):
            return get_args(one)[-1]
    return Any


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_text(kind: Any) -> bool:
    choices = _choices(kind)
    return bool not in choices and any(map(_is_kind_of_text, choices))


def _is_kind_of_text(kind: Any) -> bool:
    if isinstance(kind, type):
        return issubclass(kind, str | Enum)
    return get_origin(kind) in (list, Literal)


def _choices(kind: Any) -> tuple[Any, ...]:
    """The kinds that a value may be of one of."""
    if get_origin(kind) is Annotated:
        return _choices(get_args(kind)[0])
    if get_origin(kind) in (UnionType, Union):
        return tuple(choice for one in get_args(kind) if one is not NoneType for choice in _choices(one))
    return (kind,)

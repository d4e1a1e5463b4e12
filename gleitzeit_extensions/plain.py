"""The hints that need no pydantic: their JSON Schemas, and the values that fit them just as they came.

Most providers have no others, and are spared its 9 MB and 80 ms. Nothing is refused here: a value that does
not fit at once is left to pydantic, so that both never differ.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from gleitzeit_extensions.protocol import Wire

SCALARS: dict[type, str] = {
    int: "integer",
    float: "number",
    bool: "boolean",
    str: "string",
    NoneType: "null",
}


class Unfit(ValueError):
    """A value that its hint does not allow; the text is a clause: `a must be a number, not "five"`."""

    def __init__(self, parameter: str, wanted: str, given: str | None = None) -> None:
        super().__init__(wanted if given is None else f"{wanted}, not {given}")
        self.parameter = parameter
        self.wanted = wanted
        """The clause without the value, which may be a secret."""


class Unsure(Exception):
    """Only pydantic knows."""


def schema(hint: Any) -> Wire:
    """As pydantic would describe it; raises `Unsure`."""
    if hint is Any:
        return {}
    if _is_scalar(hint):
        return {"type": SCALARS[hint]}
    kind, args = get_origin(hint) or hint, get_args(hint)
    if kind is list:
        return {"type": "array", "items": schema(args[0]) if args else {}}
    if kind is dict and (not args or args[0] is str):
        return {"type": "object", "additionalProperties": (schema(args[1]) if args else {}) or True}
    if _is_union(hint):
        null_last = sorted(args, key=lambda one: one is NoneType)
        return {"anyOf": [schema(one) for one in null_last]}
    raise Unsure


def fitted(hint: Any, value: Any) -> Any:
    """The value as pydantic would make it; raises `Unsure`."""
    given, kind, args = type(value), get_origin(hint) or hint, get_args(hint)
    if hint is Any or (given is kind and given in SCALARS):
        return value
    if given is int and kind is float:
        return _as_float(value)
    if _is_union(hint) and (given in args or (given is int and float in args)):
        return fitted(given if given in args else float, value)
    if given is list is kind:
        return _all_fitted(args[0] if args else Any, value)
    if given is dict is kind and (not args or (args[0] is str and {str}.issuperset(map(type, value)))):
        return dict(zip(value, _all_fitted(args[1] if args else Any, list(value.values())), strict=True))
    raise Unsure


def _all_fitted(hint: Any, values: list[Any]) -> list[Any]:
    if hint is Any or (_is_scalar(hint) and {hint}.issuperset(map(type, values))):
        return values.copy()  # a million numbers, too, at once
    return [fitted(hint, value) for value in values]


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError as exc:
        raise Unsure from exc


def _is_scalar(hint: Any) -> bool:
    return any(hint is one for one in SCALARS)  # not every hint can be hashed


def _is_union(hint: Any) -> bool:
    """Whether it is one of scalars: which member takes a list is for pydantic to weigh."""
    return get_origin(hint) in (Union, UnionType) and all(map(_is_scalar, get_args(hint)))

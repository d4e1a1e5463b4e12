"""The type hints of an author's method, as far as they can be had and say something."""

from __future__ import annotations

import inspect
import typing
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

RETURN = "return"


def resolved(function: Callable[..., Any], signature: inspect.Signature, owner: type) -> Mapping[str, Any]:
    """Parameter (or `return`) to type; without those whose names are not there when the class runs."""
    inner = inspect.unwrap(function)
    names = getattr(inner, "__globals__", {})
    given = {name: one.annotation for name, one in signature.parameters.items()}
    given[RETURN] = signature.return_annotation
    found = {}
    for name, hint in given.items():
        try:
            holder = SimpleNamespace(__annotations__={name: hint})
            hint = typing.get_type_hints(holder, names, dict(vars(owner)), include_extras=True)[name]
        except Exception:  # a name for type checkers only, or anything else that is no type
            continue
        if hint not in (inspect.Signature.empty, Any, type(None)):
            found[name] = hint
    return found


def of_item(stream: Any) -> Any:
    """The hint of each item, from the hint of what streams them; Any when it does not say."""
    origin, args = typing.get_origin(stream), typing.get_args(stream)
    if args and isinstance(origin, type) and issubclass(origin, (AsyncIterable, Iterable)):
        return args[0]
    return Any

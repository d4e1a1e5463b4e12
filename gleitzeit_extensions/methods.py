"""Which methods of a provider's class can be called from outside, and how they describe themselves.

Those that the author declared: not what the base class brings, nothing `_private`, and none of the names
that belong to the life of a provider.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from types import FunctionType, MethodType
from typing import Any, TypeVar

from gleitzeit_extensions import docstrings
from gleitzeit_extensions.arguments import Arguments
from gleitzeit_extensions.protocol import CallError, Wire

OVERRIDABLE = frozenset({"generate", "get_tools", "stream"})
"""Names of the base class that an author's class may make callable by declaring them."""

LIFE = frozenset({"setup", "start", "stop", "health_check"})

IDEMPOTENT = "__gleitzeit_idempotent__"

Anything = TypeVar("Anything")


def idempotent(method: Anything) -> Anything:
    """Mark a method as safe to repeat: a call that has begun when its instance is lost goes to another."""
    setattr(getattr(method, "__func__", method), IDEMPOTENT, True)
    return method


class UnknownMethod(CallError):
    """A method that the provider does not have; the sentence lists those it has."""

    def __init__(self, provider: str, method: str, known: list[str]) -> None:
        from difflib import get_close_matches

        near = get_close_matches(method, known, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        has = f"it has {', '.join(known)}" if known else "it has none"
        super().__init__(
            "not_found.method", f'"{provider}" has no method "{method}"{hint}: {has}', {"methods": known}
        )


@dataclass(frozen=True)
class Method:
    """One public method: what it is called, what it takes, whether it gives a stream and may be repeated."""

    name: str
    description: str
    takes: Arguments | None
    """None when a decorator hid it: the call itself will tell."""
    streams: bool
    idempotent: bool

    def accepts(self, argument: str) -> bool:
        return self.takes is not None and self.takes.accept(argument)

    def checked(self, provider: str, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the method wants them; raises `invalid_request`."""
        if self.takes is None:
            return given
        return self.takes.checked(given, f'cannot call "{self.name}" of "{provider}"')

    @cached_property
    def entry(self) -> Wire:
        """As the hub is told: `{name, description, parameters, returns?, stream, idempotent}`."""
        entry: Wire = {"name": self.name, "description": self.description}
        if self.takes is not None:
            entry["parameters"] = self.takes.schema
            if returns := self.takes.returned(self.streams):
                entry["returns"] = returns
        return entry | {"stream": self.streams, "idempotent": self.idempotent}


def public_methods(cls: type, base: type) -> dict[str, Method]:
    """The methods of `cls` that may be called from outside, in the order in which they are written."""
    return _table(cls, base)


@cache
def _table(cls: type, base: type) -> dict[str, Method]:
    hidden = (set(dir(base)) - OVERRIDABLE) | LIFE
    found: dict[str, Method] = {}
    for kind in reversed(cls.__mro__):
        if kind in base.__mro__:
            continue
        for name, value in vars(kind).items():
            found.pop(name, None)
            if not name.startswith("_") and name not in hidden and (function := _function(value, cls)):
                found[name] = _method(name, function, cls)
    return found


def _function(value: object, cls: type) -> Callable[..., Any] | None:
    """What a call of the attribute runs, bound as it will be then; None when it is not a method."""
    match value:
        case FunctionType():
            return MethodType(value, cls)
        case staticmethod() | classmethod():
            bound: Callable[..., Any] = value.__get__(None, cls)
            return bound
    return None


def _method(name: str, function: Callable[..., Any], cls: type) -> Method:
    try:
        takes = Arguments(function, inspect.signature(function), cls)
    except (TypeError, ValueError):
        takes = None
    return Method(
        name,
        docstrings.first_line(inspect.getdoc(function)),
        takes,
        name == "stream" or _gives_a_stream(function),
        getattr(function, IDEMPOTENT, False),
    )


def _gives_a_stream(function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):
        return False
    inner = inspect.unwrap(function)  # through decorators that hand the generator on
    return inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner)

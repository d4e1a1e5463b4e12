"""Which methods of a provider's class can be called from outside, and how they describe themselves.

Those that the author declared: not what the base class brings, nothing `_private`, and none of the names
that belong to the life of a provider.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from types import FunctionType, MethodType
from typing import Any, TypeVar

from gleitzeit_extensions import docstrings, tools
from gleitzeit_extensions.arguments import Arguments
from gleitzeit_extensions.protocol import CallError, Wire

OVERRIDABLE = frozenset({"generate", "get_tools", "stream"})
"""Names of the base class that an author's class may make callable by declaring them."""

LIFE = frozenset({"setup", "start", "stop", "health_check"})

OF_AN_EXTENSION = frozenset({"get_models", "get_capabilities"})
"""What further belongs to the life of an extension, and cannot be called."""

SUBJECT = "__gleitzeit_subject__"
IDEMPOTENT = "__gleitzeit_idempotent__"
OFFERED = "__gleitzeit_offered__"

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
        if method.startswith("_"):
            hint = " to call, as what begins with _ is private"
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
    attribute: str
    """What the class calls it."""
    where: str = ""
    """`file:line` of its code, as far as anybody can tell."""

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


def subject_of(provider: object) -> Any:
    """The object whose methods are called: the provider, unless it stands for another one."""
    subject = getattr(provider, SUBJECT, None)
    return provider if subject is None else subject


def methods_of(provider: object, base: type) -> dict[str, Method]:
    """What can be called of a provider, whose class inherits from `base`, by its names."""
    offered: dict[str, Method] | None = getattr(provider, OFFERED, None)
    if offered is not None:
        return offered
    subject = subject_of(provider)
    return public_methods(type(subject), base if subject is provider else object)


def public_methods(cls: type, base: type) -> dict[str, Method]:
    """The methods of `cls` that may be called from outside, in the order in which they are written."""
    return _table(cls, base)


@cache
def _table(cls: type, base: type) -> dict[str, Method]:
    hidden = (set(dir(base)) - OVERRIDABLE) | LIFE | (OF_AN_EXTENSION if base is object else set())
    found: dict[str, Method] = {}
    for kind in reversed(cls.__mro__):
        if kind in base.__mro__:
            continue
        for name, value in vars(kind).items():
            for older in [method.name for method in found.values() if method.attribute == name]:
                del found[older]
            if function := _function(value, cls):
                is_public = not name.startswith("_") and name not in hidden
                for method in _methods(name, function, cls, is_public=is_public):
                    if other := found.get(method.name):
                        raise CalledAlike(other, method)
                    found[method.name] = method
    return found


class CalledAlike(TypeError):
    """Two methods of a class are to be called by one name."""

    def __init__(self, one: Method, other: Method) -> None:
        both = " and ".join(f"{method.attribute} ({method.where})" for method in (one, other))
        super().__init__(f'two methods are called "{one.name}": {both}: rename one of them')


def _methods(attribute: str, function: Callable[..., Any], cls: type, *, is_public: bool) -> Iterator[Method]:
    """The method under each name that it is called by."""
    tool = tools.told(function)
    names = [tool.name or attribute] if tool else [attribute] if is_public else []
    event = getattr(function, tools.EVENT, None)
    for name in names if event is None else dict.fromkeys((*names, str(event))):
        yield _method(name, attribute, function, cls, tool.description if tool else "")


def _function(value: object, cls: type) -> Callable[..., Any] | None:
    """What a call of the attribute runs, bound as it will be then; None when it is not a method."""
    match value:
        case FunctionType():
            return MethodType(value, cls)
        case staticmethod() | classmethod():
            bound: Callable[..., Any] = value.__get__(None, cls)
            return bound
    return None


def _method(name: str, attribute: str, function: Callable[..., Any], cls: type, description: str) -> Method:
    try:
        takes = Arguments(function, inspect.signature(function), cls)
    except (TypeError, ValueError):
        takes = None
    return Method(
        name,
        description or docstrings.first_line(inspect.getdoc(function)),
        takes,
        name == "stream" or _gives_a_stream(function),
        getattr(function, IDEMPOTENT, False),
        attribute,
        _where(function),
    )


def _where(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}" if code else ""


def _gives_a_stream(function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):
        return False
    inner = inspect.unwrap(function)  # through decorators that hand the generator on
    return inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner)

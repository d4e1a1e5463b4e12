"""Which methods of a provider's class can be called from outside, and how they describe themselves.

Those that the author declared: not what the base class brings, nothing `_private`, and none of the names
that belong to the life of a provider.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import FunctionType, MethodType
from typing import Any

from gleitzeit_extensions.protocol import CallError

OVERRIDABLE = frozenset({"generate", "get_tools", "stream"})
"""Names of the base class that an author's class may make callable by declaring them."""

LIFE = frozenset({"setup", "start", "stop", "health_check"})


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
    """One public method: what it is called, what it takes, and whether it gives a stream."""

    name: str
    description: str
    signature: inspect.Signature | None
    streams: bool

    def check(self, provider: str, arguments: dict[str, Any]) -> None:
        """Raise `invalid_request` when the method cannot take these arguments."""
        if self.signature is None:
            return
        try:
            self.signature.bind(**arguments)
        except TypeError as exc:
            sentence = f'cannot call "{self.name}" of "{provider}": {exc}; it takes {self.takes or "nothing"}'
            raise CallError("invalid_request", sentence) from exc

    @property
    def takes(self) -> str:
        parameters = self.signature.parameters.values() if self.signature else ()
        return ", ".join(
            str(parameter.replace(annotation=inspect.Parameter.empty)) for parameter in parameters
        )


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
                found[name] = _method(name, function)
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


def _method(name: str, function: Callable[..., Any]) -> Method:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a decorator hid it: the call itself will tell
        signature = None
    words = (inspect.getdoc(function) or "").split("\n", 1)[0].strip()
    return Method(name, words, signature, name == "stream" or _gives_a_stream(function))


def _gives_a_stream(function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):
        return False
    inner = inspect.unwrap(function)  # through decorators that hand the generator on
    return inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner)

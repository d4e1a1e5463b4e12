"""The settings that a class takes: the parameters of its constructors, as far as they hand `**kwargs` on."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from gleitzeit_extensions.arguments import Arguments


def constructors(cls: type) -> Iterator[Arguments]:
    """That of the class, and of each that it inherits from while any keyword is handed on."""
    for kind in cls.__mro__:
        if kind is not object and "__init__" in vars(kind):
            takes = Arguments(vars(kind)["__init__"], inspect.signature(kind), kind)
            yield takes
            if not takes.are_open:
                return


def names(cls: type) -> list[str]:
    """What they take by name, those of the class itself first."""
    return list(dict.fromkeys(name for one in constructors(cls) for name in one.named))


def fitted(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    """The keywords as the hints of the first that takes them want them; raises `plain.Unfit`."""
    left, fit = dict(given), dict[str, Any]()
    for one in constructors(cls):
        fit |= one.fitted({name: left.pop(name) for name in one.named if name in left})
    return fit | left

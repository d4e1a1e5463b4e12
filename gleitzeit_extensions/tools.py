"""`@tool`: a method that is called from outside under a name and with words of the author's choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, overload

MARK = "__gleitzeit_tool__"
EVENT = "__gleitzeit_event__"
"""Where `@handler` keeps the name that a method is called by, too."""

Anything = TypeVar("Anything")


@dataclass(frozen=True)
class Told:
    """What the decorator was told; empty: as the method has it."""

    name: str = ""
    description: str = ""


@overload
def tool(method: Anything, /) -> Anything: ...
@overload
def tool(*, name: str = "", description: str = "") -> Callable[[Anything], Anything]: ...
def tool(method: Any = None, /, *, name: str = "", description: str = "") -> Any:
    """Have a method of a provider or an extension called by `name`, and described to callers.

    Without arguments it is called like the method, and described by the first line of its docstring. A
    `_private` method can be called when it is given a name. Raises TypeError and ValueError for what is no
    method, or no name.
    """
    _check(name, description)

    def mark(method: Any) -> Any:
        function = getattr(method, "__func__", method)
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"@tool is for a method, not for {_kind(method)}")
        own = getattr(function, "__name__", "")
        if not name and own.startswith("_"):
            plain = own.strip("_") or "name"
            raise ValueError(f'{own} is private: give it a name to be called by, as in @tool(name="{plain}")')
        setattr(function, MARK, Told(name, description))
        return method

    return mark if method is None else mark(method)


def told(function: object) -> Told | None:
    """What `@tool` was told of the function; None where it does not stand."""
    found = getattr(function, MARK, None)
    return found if isinstance(found, Told) else None


def _check(name: object, description: object) -> None:
    for key, value in (("name", name), ("description", description)):
        if not isinstance(value, str):
            raise TypeError(f"the {key} of a tool is a string, not {_kind(value)}")
    if str(name).startswith("_"):
        raise ValueError(f'a tool cannot be called "{name}": what begins with _ is private')


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f'the string {value!r:.50}: write @tool(name="...", description="...")'
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"

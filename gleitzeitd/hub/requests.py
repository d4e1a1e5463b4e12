"""What a caller sends, read and checked: the `Request` it asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gleitzeit_extensions.protocol import CallError, Wire
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.calls import Request

LONGEST = 200
"""Characters of a name, a session and a key."""
LONGEST_TIMEOUT = 86400.0


def read_request(data: Wire, target: Target | None, caller: str, may_see: Callable[[str], bool]) -> Request:
    """The request that `caller` sent, who may know of the names that `may_see` says; `target` is given where
    something else than `data` names it.

    Raises CallError `invalid_request`, and `not_found.method` for private names.
    """
    target = target or _target(data)
    method, args = data.get("method"), data.get("args", {})
    if not isinstance(method, str) or not method:
        raise CallError("invalid_request", "`method` must be a string")
    if method.startswith("_"):
        sentence = f'"{method}" is not for calls: a name that begins with _ is private'
        raise CallError("not_found.method", sentence)
    if not isinstance(args, dict):
        raise CallError("invalid_request", '`args` must be an object such as {"a": 5}')
    return Request(
        target,
        method,
        args,
        _timeout(data.get("timeout")),
        _flag("idempotent", data.get("idempotent")),
        _text("session", data.get("session")),
        _text("key", data.get("key")),
        caller,
        may_see,
    )


def _target(data: Wire) -> Target:
    named = [by for by in By if data.get(by) is not None]
    if len(named) != 1:
        found = "none is there" if not named else f"{' and '.join(f'`{by}`' for by in named)} are there"
        sentence = f"a call names one of `provider`, `model`, `capability` or `target`: {found}"
        raise CallError("invalid_request", sentence)
    return Target(named[0], _name(named[0], data[named[0]]))


def _name(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise CallError("invalid_request", f"`{key}` must be a string")
    if not 0 < len(value) <= LONGEST:
        raise CallError("invalid_request", f"`{key}` must have 1 to {LONGEST} characters")
    return value


def _text(key: str, value: Any) -> str:
    return "" if value is None else _name(key, value)


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool | None):
        raise CallError("invalid_request", f"`{key}` must be true or false")
    return value is True


def _timeout(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is not None and not (number and 0 < value <= LONGEST_TIMEOUT):
        raise CallError("invalid_request", "`timeout` must be seconds, more than 0 and at most a day")
    return value if value is None else float(value)

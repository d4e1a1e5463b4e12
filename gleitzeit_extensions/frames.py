"""What may be sent: only JSON, and only as large as the hub takes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, time
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import CoroutineType
from typing import Any
from uuid import UUID

from gleitzeit_extensions.protocol import CallError, Wire


def _plain(value: Any) -> Any:
    """What JSON has a form for, one layer deep, of what type hints promise; raises TypeError for all else.

    As Pydantic does it, so that a method's schema of its result is true.
    """
    match value:
        case date() | time():
            return value.isoformat()
        case Enum():
            return value.value
        case Decimal() | PurePath() | UUID():
            return str(value)
        case set() | frozenset():
            return list(value)
    if isinstance(value, type):
        raise TypeError(f"{value.__name__} is a class")
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if hasattr(value, "model_dump"):  # Pydantic
        return value.model_dump(mode="json")
    if hasattr(value, "tolist"):  # NumPy, PyTorch
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain).encode


@dataclass(frozen=True, slots=True)
class Encoded:
    """A payload that is JSON already, so that what was measured is not encoded again to be sent."""

    text: str


def encoded(payload: Wire, field: str, what: str, limit: int) -> Encoded:
    """`payload`, with `what` in its `field`; raises the `CallError` that says why it cannot be sent."""
    try:
        whole = _encode(payload)
    except (TypeError, ValueError, RecursionError) as exc:
        raise _not_json(payload[field], field, what, exc) from exc
    fits(len(whole), what, limit)
    return Encoded(whole)


def text(value: object, at: str, what: str) -> str:
    """The JSON of `value`, all ASCII; raises the `CallError` that says what inside of it is none."""
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise _not_json(value, at, what, exc) from exc


def message(value: object, at: str, what: str, limit: int) -> Encoded:
    """All of a message; raises the `CallError` that says why it cannot be sent."""
    whole = text(value, at, what)
    fits(len(whole), what, limit)
    return Encoded(whole)


def fits(size: int, what: str, limit: int) -> None:
    """Raise `too_large` when `what` has more bytes of JSON than one message may have."""
    if size > limit:
        sentence = f"{what} is {size:,} bytes of JSON, more than the {limit:,} that one message may have"
        raise CallError("too_large", sentence, {"size": size, "limit": limit})


def _not_json(value: object, at: str, what: str, error: Exception) -> CallError:
    too_deep = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
    reason = offence(value, at) or too_deep
    return CallError("provider_error", f"{what} is not JSON: {reason}", {"type": type(error).__name__})


def offence(value: object, at: str) -> str | None:
    """The first thing inside `value` that JSON has no form for, and where: `result.when is a datetime`."""
    waiting, seen = [(at, value)], set[int]()
    while waiting:
        at, value = waiting.pop()
        match value:
            case None | bool() | int() | str():
                continue
            case float():
                if not math.isfinite(value):
                    return f"{at} is {value}"
            case _ if id(value) in seen:
                continue
            case dict():
                for key in value:
                    if not isinstance(key, (str, int, float, bool, type(None))):
                        return f"{at} has the key {key!r}, which is {_a(type(key).__name__)}"
                waiting += [(f"{at}.{key}", inner) for key, inner in reversed(value.items())]
            case list() | tuple():
                waiting += [(f"{at}[{n}]", inner) for n, inner in reversed(list(enumerate(value)))]
            case _:
                try:
                    waiting.append((at, _plain(value)))
                except Exception:
                    return f"{at} is {_a(type(value).__name__)}{_way_out(value)}"
        seen.add(id(value))
    return None


def _a(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _way_out(value: object) -> str:
    if isinstance(value, CoroutineType):
        return f" ({value.__name__}); write await in front of it"
    if isinstance(value, (bytes, bytearray)):
        return "; send it as text, such as base64"
    return ""

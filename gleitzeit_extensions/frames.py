"""What may be sent: only JSON, only as large as the hub takes; and how an error looks on the wire."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import Any

from gleitzeit_extensions.protocol import CallError, Wire

LONGEST_MESSAGE = 16 * 1024
"""Characters of an exception's own text that travel; a whole prompt in an error helps nobody."""


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


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
            case dict() | list() | tuple() if id(value) in seen:
                continue
            case dict():
                for key in value:
                    if not isinstance(key, (str, int, float, bool, type(None))):
                        return f"{at} has the key {key!r}, which is a {type(key).__name__}"
                waiting += [(f"{at}.{key}", inner) for key, inner in reversed(value.items())]
            case list() | tuple():
                waiting += [(f"{at}[{n}]", inner) for n, inner in reversed(list(enumerate(value)))]
            case _:
                return f"{at} is a {type(value).__name__}"
        seen.add(id(value))
    return None


def own_words(error: BaseException) -> str:
    """The exception as its author wrote it: `ValueError: Division by zero is not allowed`."""
    try:
        text = str(error)[:LONGEST_MESSAGE]
    except Exception as exc:  # an author's __str__ may do anything
        text = f"(its text cannot be had: {type(exc).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def failure(error: BaseException) -> CallError:
    """What an exception of the author's code is on the wire; a `CallError` is meant for the wire already."""
    if isinstance(error, CallError):
        return error
    code = "unavailable" if _is_of_a_connection(error) else "provider_error"
    return CallError(code, own_words(error), {"type": type(error).__name__})


def _is_of_a_connection(error: BaseException) -> bool:
    """Whether something that the author's code needs could not be reached."""
    aiohttp = sys.modules.get("aiohttp")  # who never imported it cannot have raised its errors
    theirs = (aiohttp.ClientConnectionError,) if aiohttp else ()
    return isinstance(error, (ConnectionError, TimeoutError, *theirs))


def envelope(error: CallError, limit: int) -> dict[str, Any]:
    """The error as it is sent; a `detail` that cannot be sent is left out, since the code matters more."""
    wire = error.wire()
    wire["message"] = str(wire["message"])[:LONGEST_MESSAGE]
    try:
        encoded(wire, "detail", "the detail of an error", limit // 2)
    except CallError:
        wire["detail"] = {}
    return wire

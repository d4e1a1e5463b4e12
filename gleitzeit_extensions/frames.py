"""What may be sent: only JSON, only as large as the hub takes; and how an error looks on the wire."""

from __future__ import annotations

import json
import math
from typing import Any

from gleitzeit_extensions.protocol import CallError, Wire

LONGEST_MESSAGE = 16 * 1024
"""Characters of an exception's own text that travel; a whole prompt in an error helps nobody."""


def check(payload: Wire, field: str, what: str, limit: int) -> None:
    """Raise the `CallError` that says why `payload`, which carries `what` in its `field`, cannot be sent."""
    try:
        size = len(json.dumps(payload, separators=(",", ":"), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as exc:
        reason = offence(payload[field], field) or str(exc)
        raise CallError(
            "provider_error", f"{what} is not JSON: {reason}", {"type": type(exc).__name__}
        ) from exc
    if size > limit:
        sentence = f"{what} is {size:,} bytes of JSON, more than the {limit:,} that one message may have"
        raise CallError("too_large", sentence, {"size": size, "limit": limit})


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
    return CallError("provider_error", own_words(error), {"type": type(error).__name__})


def envelope(error: CallError, limit: int) -> dict[str, Any]:
    """The error as it is sent; a `detail` that cannot be sent is left out, since the code matters more."""
    wire = error.wire()
    wire["message"] = str(wire["message"])[:LONGEST_MESSAGE]
    try:
        check(wire, "detail", "the detail of an error", limit // 2)
    except CallError:
        wire["detail"] = {}
    return wire

"""What an exception of an author's code is to the hub and to the caller: a code, and its own words."""

from __future__ import annotations

import json
import sys
from typing import Any

from gleitzeit_extensions import frames
from gleitzeit_extensions.protocol import CallError

LONGEST_MESSAGE = 16 * 1024
"""Characters of an exception's own text that travel; a whole prompt in an error helps nobody."""


def own_words(error: BaseException) -> str:
    """The exception as its author wrote it: `ValueError: Division by zero is not allowed`."""
    try:
        text = _text(error)[:LONGEST_MESSAGE]
    except Exception as exc:  # an author's __str__ may do anything
        text = f"(its text cannot be had: {type(exc).__name__})"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return f"{error.message}: {'; '.join(map(own_words, error.exceptions))}"
    return str(error)


def failure(error: BaseException) -> CallError:
    """What an exception of the author's code is on the wire; a `CallError` is meant for the wire already."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]  # a task group packs up whatever its one task failed with
    detail = {"type": type(error).__name__}
    if _is_a(error, "gleitzeit_extensions.client.errors", "ClientError"):
        return _of_another(error, detail)
    if isinstance(error, CallError):
        return error
    return CallError(
        "unavailable" if _is_of_a_connection(error) else "provider_error", own_words(error), detail
    )


def _of_another(error: Any, detail: dict[str, Any]) -> CallError:
    """What is to be said of a call because of one that the author's code made itself.

    Not the same, since `instance_lost` or `invalid_request` would be said of the wrong provider.
    """
    is_passing = error.retryable or error.code == "unreachable"
    detail["code"] = error.code
    if error.retry_after is not None:
        detail["retry_after"] = error.retry_after
    return CallError("unavailable" if is_passing else "provider_error", own_words(error), detail)


def _is_of_a_connection(error: BaseException) -> bool:
    """Whether something that the author's code needs could not be reached."""
    theirs = _is_a(error, "aiohttp", "ClientConnectionError")
    return theirs or isinstance(error, (ConnectionError, TimeoutError))


def _is_a(error: BaseException, module: str, kind: str) -> bool:
    """Whether `error` is of a class whose module may not be loaded: then nobody can have raised it."""
    return isinstance(error, getattr(sys.modules.get(module), kind, ()))


def envelope(error: CallError, limit: int) -> dict[str, Any]:
    """The error as it is sent; a `detail` that cannot be sent is left out, since the code matters more."""
    wire = error.wire()
    wire["message"] = str(wire["message"])[:LONGEST_MESSAGE]
    try:
        detail = frames.message(wire["detail"], "detail", "the detail of an error", limit // 2)
        wire["detail"] = json.loads(detail.text)
    except CallError:
        wire["detail"] = {}
    return wire

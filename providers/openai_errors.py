"""What the refusals of an API like OpenAI's mean to the hub: by status, by code, or by what servers say."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from gleitzeit_extensions import (
    CallError,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Unavailable,
)
from providers.upstream import LONGEST_REFUSAL

FILTERED = ("content_filter", "content_policy", "contentfilter", "moderation")
TOO_LONG = (
    *("context_length", "context length", "context window", "context size", "maximum context"),
    *("exceed_context", "too many tokens"),
)
NO_MODEL = ("model_not_found", "invalid_model", "not a valid model", "invalid model name")

STATUS = {"rate_limit": 429, "insufficient_quota": 429, "invalid_prompt": 400, "invalid_request": 400}
"""By a word of the code, where an error comes without one: in the middle of a stream."""


def refused(
    who: str, status: int | None, error: Any, headers: Mapping[str, str], hidden: Callable[[str], str]
) -> CallError:
    """An error of the API's: what it says in its body, and the status, unless it came in a stream.

    `hidden` takes the secrets out of what is repeated.
    """
    code, message = _code(error), hidden(_message(error))
    status, at = (_status(error), "") if status is None else (status, f" {status}")
    said = f"{who} answered{at}: {message[:LONGEST_REFUSAL]}"
    words = f"{code} {message}".lower()
    if any(one in code for one in FILTERED):
        return ContentFiltered(said)
    if status == 413 or any(one in words for one in TOO_LONG):
        return ContextTooLong(said)
    if any(one in words for one in NO_MODEL) or (status == 404 and "model" in words):
        return CallError("not_found.model", said)
    match status:
        case 401:
            return CallError("provider_error", f"{said} (is its api_key right?)")
        case 403:
            return CallError("provider_error", f"{said} (may its api_key, organization and project do this?)")
        case 429:
            return RateLimited(said, retry_after(headers))
        case 408 | 409 | 425:
            return Unavailable(said, retry_after(headers))
        case _ if status >= 500:
            return Unavailable(said, retry_after(headers))
        case 404 | 405:
            return CallError("provider_error", f"{said} (is its base_url right, and does it have this API?)")
        case _ if status >= 400:
            return InvalidRequest(said)
    return CallError("provider_error", f"{said} (is its base_url right?)")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until another try may help, where a header tells."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            seconds = float(headers.get(name) or "") / unit
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _status(error: Any) -> int:
    """That of an error without one: many servers have it as the code; else the server is to blame."""
    code = error.get("code") if isinstance(error, dict) else None
    try:
        return int(code) if code is not None else _by_word(error)
    except (TypeError, ValueError, OverflowError):
        return _by_word(error)


def _by_word(error: Any) -> int:
    return next((status for word, status in STATUS.items() if word in _code(error)), 500)


def _code(error: Any) -> str:
    """All that programs are told of it; Azure tells the reason further inside."""
    if not isinstance(error, dict):
        return ""
    inner = error.get("innererror")
    parts = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
    return " ".join(str(part) for part in parts if part).lower()


def _message(error: Any) -> str:
    """What it says for people, however deep servers put it."""
    said = error
    while isinstance(said, dict):
        said = next((said[key] for key in ("error", "message", "detail") if said.get(key)), "no reason")
    return " ".join(str(said or "no reason").split())

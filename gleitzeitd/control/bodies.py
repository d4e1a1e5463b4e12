"""What a request brings: a JSON object, and what commonly stands in it."""

from __future__ import annotations

import json
import math
from typing import Any

import anyio
from aiohttp import web

from gleitzeit_extensions.protocol import MAX_FRAME, CallError

LONGEST_TIME = 86400
BODY_TIME = 60.0
"""Seconds that a body may take to come."""


async def body_of(request: web.Request) -> dict[str, Any]:
    """Raises CallError `invalid_request`, `too_large`, `deadline_exceeded`."""
    try:
        with anyio.fail_after(BODY_TIME):
            text = await request.read()
        body = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except TimeoutError as exc:
        sentence = f"the body has not come within {BODY_TIME:g} s"
        raise CallError("deadline_exceeded", sentence) from exc
    except (ValueError, RecursionError) as exc:
        raise CallError("invalid_request", f"the body is not JSON: {exc}") from exc
    except web.RequestPayloadError as exc:
        raise CallError("invalid_request", f"the body cannot be read: {exc}") from exc
    except web.HTTPRequestEntityTooLarge as exc:
        size = f"{MAX_FRAME // 2**20} MiB"
        raise CallError("too_large", f"the request is larger than the {size} one message may have") from exc
    if not isinstance(body, dict):
        raise CallError("invalid_request", "the body must be a JSON object")
    return body


def _finite(text: str) -> float:
    """Raises ValueError for what no number of JSON can be, such as 1e999 and NaN."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number of JSON")
    return number


def names_of(body: dict[str, Any]) -> list[str]:
    """The `names` of providers and instances. Raises CallError `invalid_request`."""
    names = body.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise CallError("invalid_request", '`names` must be a list of providers\' names, or ["all"]')
    return names


def flag_of(body: dict[str, Any], key: str) -> bool:
    """False unless it is given. Raises CallError `invalid_request`."""
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise CallError("invalid_request", f"`{key}` must be true or false")
    return value


def seconds_of(body: dict[str, Any]) -> float:
    """The `timeout`: 60 unless it is given. Raises CallError `invalid_request`."""
    timeout = body.get("timeout", 60)
    if not isinstance(timeout, int | float) or isinstance(timeout, bool) or not 0 <= timeout <= LONGEST_TIME:
        raise CallError("invalid_request", "`timeout` must be seconds, at most a day")
    return timeout

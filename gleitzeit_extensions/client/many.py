"""Many calls by one client, whichever it is: what each is, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gleitzeit_extensions.batch.lines import Misfit, demand_a_call
from gleitzeit_extensions.client.errors import ClientError, InvalidRequest
from gleitzeit_extensions.client.request import GRACE, Request

CallOfMany = Mapping[str, Any]
"""`{provider | model | capability | target, method, args?, timeout?, idempotent?, key?, session?}`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one call."""

    index: int
    """Which one it was, from 0."""
    call: CallOfMany
    result: Any = None
    error: ClientError | None = None
    """Why there is no result."""


def request(call: CallOfMany) -> Request:
    """Raises InvalidRequest for what is no call."""
    try:
        demand_a_call(call)
        body = json.dumps(dict(call), allow_nan=False).encode()
    except (Misfit, TypeError, ValueError, RecursionError) as exc:
        raise InvalidRequest("invalid_request", f"this is no call: {exc}") from exc
    timeout = call.get("timeout")
    patience = timeout + GRACE if isinstance(timeout, int | float) else None
    is_repeatable = bool(call.get("idempotent") or call.get("key"))
    return Request("POST", "/v1/invoke", body, patience, is_repeatable)

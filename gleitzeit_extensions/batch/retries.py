"""Whether a call that failed is made again, and when. Pure but for the chance in a pause."""

from __future__ import annotations

import random
from typing import Any

ATTEMPTS = 5
FIRST, LONGEST = 0.5, 30.0
"""Seconds of the pauses, which double."""
UNKNOWN = "instance_lost"
"""Nobody knows what became of it: only what may be repeated is."""


def pause(error: dict[str, Any], is_repeatable: bool, attempt: int) -> float | None:
    """Seconds until it is made again, after so many attempts; None when it is not."""
    if attempt >= ATTEMPTS:
        return None
    if error.get("code") == UNKNOWN:
        if not is_repeatable:
            return None
    elif not error.get("retryable"):
        return None
    told = error.get("detail", {}).get("retry_after")
    if isinstance(told, int | float) and told >= 0:
        return min(float(told), LONGEST)
    return float(min(FIRST * 2 ** (attempt - 1), LONGEST) * random.uniform(0.5, 1.0))

"""What the end of a call says about the instance that had it: to its breaker, and to its averages."""

from __future__ import annotations

import math
from dataclasses import replace

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.breaker import (
    FAULTS,
    LONGEST_REFUSAL,
    REFUSALS,
    Breaker,
    after_failure,
    after_success,
    called_off,
    refused,
)
from gleitzeitd.hub.registration import Registration

SHORT = 1.0
"""Seconds below which a deadline says more about the caller than about the instance."""
SLOW = 2
"""Times the usual time that a call may take before missing its deadline is a failure of the instance."""


def answered(registration: Registration, seconds: float, now: float) -> bool:
    """It answered after so many seconds, be it with an error of its own.

    Whether its breaker says something else from now on of who may call it, and when.
    """
    before = registration.breaker
    registration.held_for(seconds)
    registration.breaker = after_success(before, now)
    return _says_otherwise(before, registration.breaker)


def failed(registration: Registration, error: CallError, seconds: float, now: float) -> bool:
    """A call ended with an error after so many seconds. As `answered`."""
    before = registration.breaker
    wanted = retry_after(error)
    if error.code in FAULTS:
        registration.breaker = _until(after_failure(before, now), now, wanted)
    elif error.code in REFUSALS:
        registration.breaker = refused(before, now, wanted)
    else:
        answered(registration, seconds, now)
    if error.code in FAULTS | REFUSALS:
        registration.trouble = error
    return _says_otherwise(before, registration.breaker)


def begun(registration: Registration, now: float) -> bool:
    """The first part of an answer came, which is all that a probe is for. As `answered`."""
    before = registration.breaker
    if not before.is_probed:
        return False
    registration.breaker = after_success(before, now)
    return True


def given_up(registration: Registration, seconds: float, now: float, *, late: bool) -> bool:
    """Nobody waits for its answer any more, `late`: since its time was over. As `answered`."""
    usual = registration.holding * SLOW
    if late and seconds >= SHORT and seconds > usual:
        error = CallError("deadline_exceeded", f"no answer came within {seconds:.1f} s")
        return failed(registration, error, seconds, now)
    before = registration.breaker
    registration.breaker = called_off(before)
    return _says_otherwise(before, registration.breaker)


def retry_after(error: CallError) -> float | None:
    """Seconds for which the instance wants no call, if it says so."""
    said = error.detail.get("retry_after")
    if isinstance(said, int | float) and not isinstance(said, bool) and 0 < said < math.inf:
        return float(said)
    return None


def _until(breaker: Breaker, now: float, wanted: float | None) -> Breaker:
    if wanted is None:
        return breaker
    return replace(breaker, until=max(breaker.until, now + min(wanted, LONGEST_REFUSAL)))


def _says_otherwise(before: Breaker, after: Breaker) -> bool:
    if before is after:
        return False
    return (before.until, before.span, before.is_probed) != (after.until, after.span, after.is_probed)

"""Whether an instance that keeps failing is given calls: closed, open for a while, then one probe.

Pure. A `Breaker` belongs to one instance; who counts what as a failure is said by `FAULTS` and `REFUSALS`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

FAULTS = frozenset({"unavailable", "stalled", "deadline_exceeded", "protocol", "instance_lost"})
"""The error codes that are failures of the instance. All others are its answer, and count as a success."""
REFUSALS = frozenset({"rate_limited", "overloaded"})
"""The error codes that take an instance out for as long as it says itself, and no longer."""

IN_A_ROW = 5
AT_LEAST = 10
"""Calls from which on more failures than successes are too many."""
PERIOD = 30.0
"""Seconds, from a failure on, in which they are counted."""
FIRST, LONGEST = 5.0, 60.0
"""Seconds that it is open at first, and at most after doubling."""
LONGEST_REFUSAL = 3600.0
"""Seconds that an instance is believed: milliseconds in their place would take it out for days."""


class Circuit(StrEnum):
    """What may pass."""

    CLOSED = "closed"
    """Every call."""
    OPEN = "open"
    """None."""
    HALF_OPEN = "half-open"
    """One, the probe."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is remembered of an instance's failures. Times are seconds of one clock."""

    until: float = -math.inf
    """No call goes to it before."""
    span: float = 0.0
    """How long it was opened for failures; 0: it is open for none."""
    is_probed: bool = False
    """A probe is under way."""
    row: int = 0
    """Failures since the last success."""
    since: float = -math.inf
    """The failure from which on calls are counted."""
    failed: int = 0
    calls: int = 0


CLOSED = Breaker()


def is_open(breaker: Breaker, now: float) -> bool:
    """Whether it may be given no call now."""
    return breaker is not CLOSED and (breaker.is_probed or now < breaker.until)


def circuit(breaker: Breaker, now: float) -> Circuit:
    """How it is called; half-open also while the probe is under way."""
    if now < breaker.until:
        return Circuit.OPEN
    return Circuit.HALF_OPEN if breaker.span else Circuit.CLOSED


def opens_at(breaker: Breaker) -> float:
    """When it may be given a call again; infinite while a probe is under way, whose end decides."""
    return math.inf if breaker.is_probed else breaker.until


def probing(breaker: Breaker, now: float) -> Breaker:
    """After it was given a call: half-open, that is the probe."""
    if breaker is CLOSED or not breaker.span or is_open(breaker, now):
        return breaker
    return replace(breaker, is_probed=True)


def called_off(breaker: Breaker) -> Breaker:
    """After a call was cancelled: a probe has then said nothing, and another may go."""
    return replace(breaker, is_probed=False) if breaker.is_probed else breaker


def after_success(breaker: Breaker, now: float) -> Breaker:
    """After an answer, be it an error that is the answer. Closes it when a probe was under way."""
    if breaker is CLOSED or breaker.is_probed:
        return CLOSED
    if breaker.span:
        # Of a call that was under way when it opened.
        return breaker
    if now - breaker.since < PERIOD:
        calls = breaker.calls + 1
        return Breaker(until=breaker.until, since=breaker.since, failed=breaker.failed, calls=calls)
    return Breaker(until=breaker.until) if now < breaker.until else CLOSED


def after_failure(breaker: Breaker, now: float) -> Breaker:
    """After one of the `FAULTS`: opens it when they are too many, and for twice as long after a probe."""
    if breaker.is_probed:
        return _opened(breaker, now, min(breaker.span * 2, LONGEST))
    if breaker.span:
        # Of a call that was under way when it opened.
        return breaker
    counted = _counted(breaker, now)
    too_many = counted.calls >= AT_LEAST and counted.failed * 2 > counted.calls
    return _opened(breaker, now, FIRST) if too_many or counted.row >= IN_A_ROW else counted


def refused(breaker: Breaker, now: float, retry_after: float | None) -> Breaker:
    """After one of the `REFUSALS`, with the seconds for which it wants no call, if it said so."""
    answered = after_success(breaker, now)
    if not retry_after or not retry_after > 0:
        return answered
    until = now + min(retry_after, LONGEST_REFUSAL)
    return replace(answered, until=max(answered.until, until))


def _counted(breaker: Breaker, now: float) -> Breaker:
    row = breaker.row + 1
    if now - breaker.since >= PERIOD:
        return Breaker(until=breaker.until, row=row, since=now, failed=1, calls=1)
    return replace(breaker, row=row, failed=breaker.failed + 1, calls=breaker.calls + 1)


def _opened(breaker: Breaker, now: float, span: float) -> Breaker:
    return Breaker(until=max(breaker.until, now + span), span=span)

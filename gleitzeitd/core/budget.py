"""How many retries a provider's errors may cause: a fifth of its calls, and a few.

Pure. Without a bound, retries multiply the load on what is failing under its load already.
"""

from __future__ import annotations

from dataclasses import dataclass

SHARE = 0.2
"""Of the calls of the last `SECONDS`, as many may be retries."""
RESERVE = 10
"""Retries within `SECONDS` that are allowed anyway."""
SECONDS = 10
"""What is longer ago does not count."""


@dataclass(frozen=True, slots=True)
class Second:
    """What was done in one second of the clock."""

    number: int
    calls: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Budget:
    """The calls and retries of the last seconds."""

    this: Second = Second(0)
    earlier: tuple[Second, ...] = ()


FULL = Budget()


def after_call(budget: Budget, now: float) -> Budget:
    """After a call that was no retry."""
    at, this = int(now), budget.this
    if this.number == at:
        return Budget(Second(at, this.calls + 1, this.retries), budget.earlier)
    return Budget(Second(at, 1), _earlier(budget, at))


def after_retry(budget: Budget, now: float) -> Budget:
    """After a retry that `may_retry` allowed."""
    at, this = int(now), budget.this
    if this.number == at:
        return Budget(Second(at, this.calls, this.retries + 1), budget.earlier)
    return Budget(Second(at, 0, 1), _earlier(budget, at))


def may_retry(budget: Budget, now: float) -> bool:
    """Whether there is enough left for one more retry."""
    recent = [s for s in (*budget.earlier, budget.this) if s.number > int(now) - SECONDS]
    allowed = RESERVE + SHARE * sum(second.calls for second in recent)
    return sum(second.retries for second in recent) + 1 <= allowed


def _earlier(budget: Budget, at: int) -> tuple[Second, ...]:
    return tuple(s for s in (*budget.earlier, budget.this) if s.number > at - SECONDS)

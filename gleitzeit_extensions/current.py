"""The call that an author's method is answering just now, for what its arguments do not say."""

from __future__ import annotations

import time
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CurrentCall:
    """What the hub said about the call.

    `model` is the name by which this provider knows the model that was asked for; empty when the call was not
    for a model. `key` is the caller's idempotency key, empty without one: the same key is the same request,
    perhaps sent once more. `attempt` counts from 1.
    """

    id: str
    method: str
    model: str = ""
    key: str = ""
    attempt: int = 1
    ends_at: float | None = None
    """By the monotonic clock."""

    @property
    def seconds_left(self) -> float | None:
        """Until the deadline, never below 0; None when there is none."""
        return None if self.ends_at is None else max(0.0, self.ends_at - time.monotonic())


CURRENT: ContextVar[CurrentCall | None] = ContextVar("gleitzeit_call", default=None)


def current_call() -> CurrentCall | None:
    """The call that runs this code, also in the thread of a method without `async`; None outside of any."""
    return CURRENT.get()

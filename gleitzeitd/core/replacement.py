"""Whether a life that is to take another's place has come up, will yet, or has failed. Pure."""

from __future__ import annotations

from enum import Enum, auto

from gleitzeitd.core.backoff import succeeded
from gleitzeitd.core.process import Process, State


class Outcome(Enum):
    PENDING = auto()
    READY = auto()
    FAILED = auto()
    UNWANTED = auto()
    """Somebody stopped it meanwhile."""


def outcome(process: Process, after: int) -> Outcome:
    """Of the first life that comes after the generation `after`. One that failed is not waited for again."""
    if not process.wanted:
        return Outcome.UNWANTED
    if process.state is State.WAITING or process.generation <= after:
        # A spawn that failed at once has its generation all the same.
        return Outcome.PENDING
    match process.state:
        case State.RUNNING if process.is_ready:
            return Outcome.READY
        case State.EXITED:
            return Outcome.READY if succeeded(process) else Outcome.FAILED
        case State.STARTING | State.RUNNING:
            return Outcome.PENDING
        case State.STOPPING | State.LOST if process.afresh:
            return Outcome.PENDING  # Somebody asked for another life meanwhile: that is the one that counts.
        case _:
            return Outcome.FAILED


def why(process: Process) -> str:
    """What to say of one that failed."""
    return process.failure or process.reason or (str(process.end) if process.end else "it did not come up")

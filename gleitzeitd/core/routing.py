"""Whether a call can be carried now, may wait, or has to fail at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gleitzeitd.core.process import Process, State


@dataclass(frozen=True, slots=True)
class Standing:
    """How a supervised provider stands, as far as a call needs to know."""

    state: State
    wanted: bool
    next_attempt: float | None
    reason: str
    registers: bool

    @classmethod
    def of(cls, process: Process) -> Standing:
        waiting = process.state is State.BACKOFF
        return cls(
            process.state,
            process.wanted,
            process.deadline if waiting else None,
            process.reason,
            process.rules.registers,
        )


def why_not_wait(name: str, standing: Standing | None, deadline: float) -> str | None:
    """None when a call may wait for the provider until `deadline`; else the sentence that says why not."""
    if standing is None:
        return f'"{name}" is not connected'
    because = f": {standing.reason}" if standing.reason else ""
    match standing.state:
        case State.STOPPED:
            return f'"{name}" is stopped: start it with "gleitzeitctl start {name}"'
        case State.STOPPING if not standing.wanted:
            return f'"{name}" is being stopped'
        case State.EXITED | State.FATAL:
            return f'"{name}" is {standing.state}{because}'
        case State.BACKOFF if standing.next_attempt is None or standing.next_attempt >= deadline:
            return f'"{name}" will not be tried again in time{because}'
        case State.RUNNING if not standing.registers:
            return f'"{name}" is a command that offers no methods'
        case _:
            return None

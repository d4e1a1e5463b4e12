"""Whether a call can be carried now, may wait, or has to fail at once. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gleitzeitd.core.process import Need, Phase, Process, State


@dataclass(frozen=True, slots=True)
class Standing:
    """How a supervised instance stands, as far as a call needs to know."""

    state: State
    wanted: bool
    next_attempt: float | None
    reason: str
    registers: bool
    fit: bool = True
    """Its ready check passes, where it has one."""
    generation: int = 0
    """The life that this is about."""

    @classmethod
    def of(cls, process: Process) -> Standing:
        waiting = process.state is State.BACKOFF
        return cls(
            State.RUNNING if _serves_to_the_end(process) else process.state,
            process.wanted,
            process.deadline if waiting else None,
            process.reason,
            process.rules.registers,
            Need.CHECK not in process.missing,
            process.generation,
        )


def _serves_to_the_end(process: Process) -> bool:
    """Those who depend on it may call it until they have stopped."""
    return process.phase is Phase.HELD and not process.missing


MOST_TELLING = (
    State.FATAL,
    State.LOST,
    State.BACKOFF,
    State.EXITED,
    State.STOPPING,
    State.STOPPED,
    State.RUNNING,
)
"""Of several instances that are no use, the one to be named is that in the first of these states."""


def why_not_wait(name: str, standings: Mapping[str, Standing], deadline: float) -> str | None:
    """None when a call to `name` may wait until `deadline` for one of the instances that can answer it; else
    the sentence that says why not."""
    if not standings:
        return f'"{name}" is not connected'
    if any(_why_not(name, standing, deadline) is None for standing in standings.values()):
        return None
    instance = min(standings, key=lambda instance: MOST_TELLING.index(standings[instance].state))
    worst = standings[instance]
    if all(standing.state is worst.state for standing in standings.values()):
        return _why_not(name, worst, deadline)
    return f'no instance of "{name}" is up in time: {_why_not(instance, worst, deadline)}'


def is_due(standing: Standing, deadline: float) -> bool:
    """Whether another life of it begins before `deadline`, after one that failed or makes room."""
    if standing.state is State.STOPPING:
        return standing.wanted
    is_later = standing.next_attempt is not None and standing.next_attempt < deadline
    return standing.state is State.BACKOFF and is_later


def _why_not(name: str, standing: Standing, deadline: float) -> str | None:
    because = f": {standing.reason}" if standing.reason else ""
    match standing.state:
        case State.STOPPED:
            return f'"{name}" is stopped: start it with "gleitzeitctl start {name}"'
        case State.STOPPING if not standing.wanted:
            return f'"{name}" is being stopped'
        case State.EXITED | State.FATAL | State.LOST:
            return f'"{name}" is {standing.state}{because}'
        case State.BACKOFF if not is_due(standing, deadline):
            return f'"{name}" will not be tried again in time{because}'
        case State.RUNNING if not standing.registers:
            return f'"{name}" is a command that offers no methods'
        case _:
            return None

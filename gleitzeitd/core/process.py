"""One instance as a value: the state it is in, what is wanted of it, and what its past decides.

`core/life.py` says how it goes from one to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gleitzeitd.core.events import End
from gleitzeitd.core.spec import Rules


class State(StrEnum):
    STOPPED = "STOPPED"
    WAITING = "WAITING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    LOST = "LOST"


MEANING = {
    State.STOPPED: "not wanted now, and nothing of it is left",
    State.WAITING: "wanted, and held until what it depends on is ready or a start slot is free",
    State.STARTING: "spawned, not ready yet",
    State.RUNNING: "has been ready",
    State.BACKOFF: "failed; the next attempt has a time",
    State.STOPPING: "draining, then asked to end, then killed, until nothing of it is left",
    State.EXITED: "ended by itself and, by its policy, not restarted",
    State.FATAL: "a limit was reached, or a mistake only a human can mend",
    State.LOST: "something of it remains although it was killed",
}
AT_REST = frozenset({State.STOPPED, State.EXITED, State.FATAL})
"""The states in which nothing of it is there and nothing is about to be."""
ALIVE = frozenset({State.STARTING, State.RUNNING, State.STOPPING, State.LOST})
"""The states in which something of it may be there."""


class Phase(StrEnum):
    """How far a STOPPING process has been pressed."""

    NONE = "none"
    HELD = "held"
    """Until those who depend on it have stopped."""
    DRAINING = "draining"
    TERMINATING = "terminating"
    KILLING = "killing"


class Need(StrEnum):
    """What a process may lack to be ready, in the words of a reason."""

    REGISTRATION = "it is not connected"
    WORD = "it says that it is not ready"
    CHECK = "its ready check has not passed"


@dataclass(frozen=True, slots=True)
class Process:
    """One instance. Times are those of a monotonic clock, in seconds."""

    name: str
    rules: Rules
    state: State = State.STOPPED
    wanted: bool = False
    since: float = 0.0
    deadline: float | None = None
    generation: int = 0
    numbered: int = 0
    """The highest generation of this name that there is, its own or that of a life beside it."""
    pid: int | None = None
    reason: str = ""
    missing: frozenset[Need] = frozenset()
    connected: bool = False
    """It is registered with the hub, whether it has to be or not."""
    has_slot: bool = False
    """Its start counts among those that may go on at once."""
    phase: Phase = Phase.NONE
    afresh: bool = False
    """The life that is being ended makes room for one that a person asked for."""
    ready_at: float | None = None
    """When this life became RUNNING."""
    killed_at: float | None = None
    """When everything of this life was killed first."""
    end: End | None = None
    failure: str = ""
    """Why we are ending it, when it was for failing."""
    attempts: int = 0
    """Starts in a row that never became ready."""
    row: int = 0
    """Restarts in a row."""
    doublings: int = 0
    failures: tuple[float, ...] = ()
    restarts: int = 0
    """Restarts ever, for show."""

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE

    @property
    def is_ready(self) -> bool:
        """Whether it is of use now."""
        return self.state is State.RUNNING and not self.missing

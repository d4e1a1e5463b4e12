"""The words of a process's life: what is wanted of it, what is found out about it, and what is to be done."""

from __future__ import annotations

import signal
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended: `code` as in subprocess, negative for a signal; its last words, if it had any."""

    code: int
    words: str = ""

    def __str__(self) -> str:
        how = f"killed by {_signal_name(-self.code)}" if self.code < 0 else f"exited with {self.code}"
        return f"{how}: {self.words}" if self.words else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


# Wants.
@dataclass(frozen=True, slots=True)
class Start: ...


@dataclass(frozen=True, slots=True)
class Stop:
    hurries: bool = True
    """Asked for again, it presses harder; not where it goes along with something else's stop."""


@dataclass(frozen=True, slots=True)
class Restart: ...


@dataclass(frozen=True, slots=True)
class Renew:
    """Replace what runs, if it runs: nobody asked for it to be up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Revise:
    """What is wanted of it has changed: another life, unless somebody stopped it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Another life is there for it: what is in flight may finish, then it ends."""

    drain_timeout: float
    """Seconds."""
    reason: str = "another life has taken its place"


# Of the gate that a start or a stop may have to wait at.
@dataclass(frozen=True, slots=True)
class Held:
    reason: str


@dataclass(frozen=True, slots=True)
class Opened: ...


# Facts. Each names the generation it is about, so that a late one about a dead process is dropped.
@dataclass(frozen=True, slots=True)
class Spawned:
    generation: int
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    generation: int
    reason: str
    mistake: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """Its connection with the hub is there; whether it is ready by its own word."""

    generation: int
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """It said that it is ready, or that it is not and why."""

    generation: int
    ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """What its `ready` check shows, with the reason when it is bad."""

    generation: int
    ready: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Disconnected:
    generation: int


@dataclass(frozen=True, slots=True)
class Failed:
    """It lives but is of no use, for instance by its health checks."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Outgrew:
    """It works but uses more than it may."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Drained:
    generation: int


@dataclass(frozen=True, slots=True)
class Exited:
    """The process itself has ended; what it started may be left."""

    generation: int
    end: End


@dataclass(frozen=True, slots=True)
class Remain:
    """What is still there after SIGKILL, in words."""

    generation: int
    what: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing is left of the generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The deadline has passed."""


Want = Start | Stop | Restart | Renew | Revise | Retire
Gate = Held | Opened
Fact = (
    Spawned
    | SpawnFailed
    | Registered
    | Said
    | Checked
    | Disconnected
    | Failed
    | Outgrew
    | Drained
    | Exited
    | Remain
    | Gone
)
Event = Want | Gate | Fact | Elapsed


# Effects: what the world is to do.
@dataclass(frozen=True, slots=True)
class Spawn:
    generation: int


@dataclass(frozen=True, slots=True)
class Drain:
    generation: int
    timeout: float
    """Seconds that its calls have."""


@dataclass(frozen=True, slots=True)
class Terminate:
    generation: int


@dataclass(frozen=True, slots=True)
class Kill:
    generation: int


@dataclass(frozen=True, slots=True)
class Examine:
    """Find out what is left, and tell it as `Remain`."""

    generation: int


Effect = Spawn | Drain | Terminate | Kill | Examine

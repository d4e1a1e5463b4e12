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
class Stop: ...


@dataclass(frozen=True, slots=True)
class Restart: ...


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
class Ready:
    generation: int


@dataclass(frozen=True, slots=True)
class Disconnected:
    generation: int


@dataclass(frozen=True, slots=True)
class Failed:
    """It lives but is of no use, for instance by its health checks."""

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
class Gone:
    """Nothing is left of the generation."""

    generation: int


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The deadline has passed."""


Want = Start | Stop | Restart
Fact = Spawned | SpawnFailed | Ready | Disconnected | Failed | Drained | Exited | Gone
Event = Want | Fact | Elapsed


# Effects: what the world is to do.
@dataclass(frozen=True, slots=True)
class Spawn:
    generation: int


@dataclass(frozen=True, slots=True)
class Drain:
    generation: int


@dataclass(frozen=True, slots=True)
class Terminate:
    generation: int


@dataclass(frozen=True, slots=True)
class Kill:
    generation: int


Effect = Spawn | Drain | Terminate | Kill

"""What the processes need of the rest of the daemon."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gleitzeitd.core.events import End
from gleitzeitd.core.process import Process
from gleitzeitd.core.spec import Spec
from gleitzeitd.processes.launch import Launch
from gleitzeitd.processes.recorder import Entry


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the supervisor needs done, and whom it tells. Names are those of instances."""

    launch: Callable[[Spec, str, int], Launch]
    """What to spawn for a generation."""
    drain: Callable[[str, int, float], None]
    """Let the calls of a generation end, within so many seconds; `Drained` is told when they did."""
    changed: Callable[[Process, Process, bool], None]
    """An instance changed from the first to the second; whether it leads those of its name."""
    exited: Callable[[str, int, End, list[str]], None]
    """A process ended; the last lines it wrote to stderr."""
    retired: Callable[[str], None]
    """Nobody leads an instance's name any more."""
    noted: Callable[[str, Entry], None]
    """Something of an instance is worth to be told."""
    forgotten: Callable[[str], None]
    """Nothing is left of a provider, and nobody wants it."""

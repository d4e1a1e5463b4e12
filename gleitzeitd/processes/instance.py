"""One instance of a provider over its lives: what is wanted of it, what it is, and what is known of it."""

from __future__ import annotations

import contextlib
import math
from enum import Enum, auto

import anyio

from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import Spec
from gleitzeitd.core.verdict import Verdict
from gleitzeitd.processes.child import Child
from gleitzeitd.processes.generation import Generation
from gleitzeitd.processes.logs.output import Output
from gleitzeitd.processes.recorder import Recorder


class Role(Enum):
    """Which of the lives of one name it is."""

    LEADING = auto()
    """What people mean when they say the name."""
    COMING = auto()
    """It takes the place of the one that leads, if it comes up."""
    LEAVING = auto()
    """Another has its place."""


class Ledger:
    """What all that ever bear one name share."""

    def __init__(self, name: str, output: Output) -> None:
        self.name = name
        self.output = output
        self.recorder = Recorder()
        self.numbered = 0
        """The highest generation so far."""

    async def close(self) -> None:
        """Keep what was printed; nothing comes any more."""
        with contextlib.suppress(OSError):
            await anyio.to_thread.run_sync(self.output.close)


class Instance:
    """Only the supervisor writes here."""

    def __init__(self, spec: Spec, ledger: Ledger, role: Role = Role.LEADING) -> None:
        self.name = ledger.name
        self.spec = spec
        """What is wanted of its next life, and of this one as far as that can be had without another."""
        self.ledger = ledger
        self.output = ledger.output
        self.recorder = ledger.recorder
        self.role = role
        self.process = Process(ledger.name, spec.rules)
        self.announced = self.process.state
        self.life: Generation | None = None
        self.running = anyio.Event()
        self.health: Verdict | None = None
        """What its health checks come to, where they are ours to make."""

    @property
    def key(self) -> str:
        """A name that no other instance has now."""
        return self.name if self.role is Role.LEADING else f"{self.name} {id(self):x}"

    @property
    def child(self) -> Child | None:
        return None if self.life is None else self.life.child

    @property
    def due(self) -> float:
        """When its deadline passes, if it has one.

        An exit that is on its way counts before the deadline, and is told soon: /bin/false was never RUNNING.
        The kernel is asked only about those that have a deadline.
        """
        deadline = self.process.deadline
        return math.inf if deadline is None or self._is_about_to_end() else deadline

    def _is_about_to_end(self) -> bool:
        """Whether its process has ended, and that is yet to be told."""
        is_ending = self.process.state in (State.STOPPING, State.LOST)
        return self.child is not None and not is_ending and self.child.has_ended()

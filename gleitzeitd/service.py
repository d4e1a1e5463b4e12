"""The daemon as a service of systemd: what is told about it while it starts, runs, reloads and stops.

Where there is no manager all of this does nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import anyio

from gleitzeitd import vigil
from gleitzeitd.processes.logs.writer import WRITER
from gleitzeitd.processes.supervisor import Supervisor
from gleitzeitd.systemd import Manager

PAUSE = 1.0
"""Seconds between two sentences about the providers."""
MORE = 20.0
"""Seconds that a stop asks for: more than half of them are left whenever it asks again."""


class Service:
    def __init__(self, manager: Manager, supervisor: Supervisor, control: str) -> None:
        """`control`: the path of the control socket."""
        self._manager, self._supervisor = manager, supervisor
        self._signs: dict[str, vigil.Sign] = {
            "supervisor": supervisor.turn,
            "reaper": vigil.the_dead_are_reaped,
            "output": _somebody_writes,
            "control socket": partial(vigil.answers, control),
        }
        self._said = ""

    def is_ready(self) -> None:
        """Once, at the end of the start."""
        self._manager.ready(self._sentence())

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """While a config is taken over. A mistake of ours in that leaves it ready all the same."""
        self._manager.reloading()
        try:
            yield
        finally:
            self.is_ready()

    async def feed_the_watchdog(self) -> None:
        await vigil.keep(self._manager, self._signs)

    async def report(self) -> None:
        """Have `systemctl status` say how the providers are."""
        while self._manager.address:
            self._said = self._sentence()
            self._manager.status(self._said)
            await anyio.sleep(PAUSE)
            await self._supervisor.until(lambda: self._sentence() != self._said)

    async def take_time(self) -> None:
        """Ask for time for the stop that is under way: it ends by deadlines of its own."""
        self._manager.stopping()
        while self._manager.address:
            self._manager.extend(MORE)
            await anyio.sleep(MORE / 3)

    def _sentence(self) -> str:
        states = Counter(instance.process.state for instance in self._supervisor.instances.values())
        return ", ".join(f"{count} {state}" for state, count in states.items()) or "no provider"


async def _somebody_writes() -> None:
    """A disk that hangs holds up the thread that writes, and is no reason to end every provider."""
    if not WRITER.is_there:
        raise OSError("the thread that writes what providers print is gone")

"""Replaces a provider when its own source changes: where that is wanted, or it gave up for a mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio
import structlog

from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import Spec
from gleitzeitd.processes.changes import Changes
from gleitzeitd.processes.sources import Sources, missing_files, source_files
from gleitzeitd.processes.supervisor import Supervisor

log = structlog.get_logger("gleitzeitd")
PAUSE = 0.5
"""Seconds between two looks at whose files are to be watched: of many that fail together each says so."""


class Renewal:
    def __init__(
        self,
        supervisor: Supervisor,
        changes: Changes,
        specs: Callable[[], Iterable[Spec]],
        directories: Callable[[Spec], list[str]],
    ) -> None:
        """`specs`: all that are wanted now; `directories`: where the class of one is looked for."""
        self._supervisor = supervisor
        self._changes = changes
        self._specs = specs
        self._directories = directories
        self._sources = Sources(self._changed)
        self._news = anyio.Event()

    def look(self) -> None:
        """There may be others to watch."""
        self._news.set()

    def follow(self, before: Process, after: Process) -> None:
        """An instance changed from the first to the second."""
        if (before.state is State.FATAL) is not (after.state is State.FATAL):
            self.look()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._sources.run)
            while True:
                self._news = anyio.Event()
                watched = filter(self._is_watched, self._specs())
                self._sources.want({spec.name: self._files(spec) for spec in watched})
                await self._news.wait()
                await anyio.sleep(PAUSE)

    def _is_watched(self, spec: Spec) -> bool:
        processes = (instance.process for instance in self._supervisor.of(spec.name))
        gave_up = any(p.state is State.FATAL and p.deadline is None for p in processes)
        return not spec.mistakes and (spec.watch or gave_up)

    def _files(self, spec: Spec) -> frozenset[str]:
        directories = self._directories(spec)
        return frozenset(source_files(spec, directories) or missing_files(spec, directories))

    def _changed(self, provider: str) -> None:
        log.info("source changed", name=provider)
        self._changes.renew(provider)

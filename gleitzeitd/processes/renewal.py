"""Whose source is watched: of who wants that, and of who gave up or failed to take another's place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

import anyio
from anyio import to_thread

from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import ExtensionTarget, Spec
from gleitzeitd.processes.sources import Sources, missing_files, source_files
from gleitzeitd.processes.supervisor import Supervisor

PAUSE = 10
"""So many times as long as a look at whose files are to be watched takes is the pause before the next."""


class Renewal:
    def __init__(
        self,
        supervisor: Supervisor,
        specs: Callable[[], Iterable[Spec]],
        failed: Callable[[], Iterable[Spec]],
        directories: Callable[[Spec], list[str]],
        renew: Callable[[str], None],
    ) -> None:
        """`specs`: all that are wanted now; `failed`: what should have been in the place of one of them;
        `directories`: where the class of one is looked for; `renew` is told whose source changed."""
        self._supervisor = supervisor
        self._specs = specs
        self._failed = failed
        self._directories = directories
        self._sources = Sources(renew)
        self._news = anyio.Event()

    def look(self) -> None:
        """There may be others to watch."""
        self._news.set()

    def follow(self, before: Process, after: Process) -> None:
        """An instance changed from the first to the second."""
        if after.state is not before.state and State.FATAL in (before.state, after.state):
            self.look()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._sources.run)
            while True:
                self._news = anyio.Event()
                began = anyio.current_time()
                specs = (*filter(self._is_watched, self._specs()), *self._failed())
                # An extension may have many directories.
                self._sources.want(await to_thread.run_sync(self._wanted, specs, abandon_on_cancel=True))
                # Of many that fail together each says so.
                await anyio.sleep((anyio.current_time() - began) * PAUSE)
                await self._news.wait()

    def _wanted(self, specs: Iterable[Spec]) -> dict[str, frozenset[str]]:
        wanted = defaultdict[str, frozenset[str]](frozenset)
        for spec in specs:
            wanted[spec.name] |= self._files(spec)
        return wanted

    def _is_watched(self, spec: Spec) -> bool:
        processes = (instance.process for instance in self._supervisor.of(spec.name))
        gave_up = any(p.state is State.FATAL and p.deadline is None for p in processes)
        if spec.mistakes:
            # They may be in the files of the extension, rather than in the config.
            return isinstance(spec.target, ExtensionTarget)
        return spec.watch or gave_up

    def _files(self, spec: Spec) -> frozenset[str]:
        directories = self._directories(spec)
        found = source_files(spec, directories)
        is_whole = found and not (isinstance(spec.target, ExtensionTarget) and not spec.target.home)
        return frozenset(found if is_whole else (*found, *missing_files(spec, directories)))

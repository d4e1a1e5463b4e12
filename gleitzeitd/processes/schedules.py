"""Who is restarted at the times of its `restart_schedule`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import anyio
from anyio.abc import TaskGroup

from gleitzeitd.core import events
from gleitzeitd.processes.instance import Instance, Role
from gleitzeitd.processes.schedule import on_schedule

RENEW = events.Renew("its restart_schedule says so")


class Schedules:
    def __init__(self, tell: Callable[[Instance, events.Event], None]) -> None:
        self._tell = tell
        self._scopes: dict[Instance, anyio.CancelScope] = {}
        self._tasks: TaskGroup | None = None

    def begin(self, tasks: TaskGroup, instances: Iterable[Instance]) -> None:
        """Keep theirs from now on, in the task group."""
        self._tasks = tasks
        for instance in instances:
            self.keep(instance)

    def keep(self, instance: Instance) -> None:
        """Keep the one that is wanted of it now, if there is one and it leads."""
        self.drop(instance)
        line = instance.spec.restart_schedule
        if line is not None and instance.role is Role.LEADING and self._tasks is not None:
            scope = self._scopes[instance] = anyio.CancelScope()
            self._tasks.start_soon(self._follow, instance, line, scope)

    def drop(self, instance: Instance) -> None:
        if scope := self._scopes.pop(instance, None):
            scope.cancel()

    async def _follow(self, instance: Instance, line: str, scope: anyio.CancelScope) -> None:
        with scope:
            await on_schedule(line, partial(self._tell, instance, RENEW))

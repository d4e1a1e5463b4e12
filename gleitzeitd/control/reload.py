"""The config file as it is saved, and what the daemon makes of it: one reload at a time, the newest wins.

A text that is refused changes nothing but what is said about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import anyio
import structlog

from gleitzeitd.config import schema
from gleitzeitd.config.files import texts
from gleitzeitd.config.history import History
from gleitzeitd.config.load import fingerprint
from gleitzeitd.control.ahead import Ahead, off_the_loop
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.plan import Action, Plan, diff
from gleitzeitd.core.spec import House, Spec
from gleitzeitd.processes.changes import Change, Changes
from gleitzeitd.processes.supervisor import Supervisor

log = structlog.get_logger("gleitzeitd")
KEEPING = 5.0
"""Seconds that the disk has to keep what was applied."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of one reload."""

    plan: Plan | None
    """None: the file is as it was taken over, or is refused."""
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    """Why the file, or one of its providers, is not what runs."""
    is_refused: bool = False


class Reload:
    """Knows what is wanted. Only this writes it."""

    def __init__(
        self,
        house: House,
        history: History,
        supervisor: Supervisor,
        known: Callable[[Spec], None],
        applied: Callable[[Plan], None],
    ) -> None:
        """`known`: see Changes; `applied` is told of each plan before it is carried out."""
        self.house = house
        self.history = history
        self.problems: tuple[str, ...] = ()
        """Why the file as it is now is not what runs."""
        self.later: tuple[str, ...] = ()
        """Keys of `global` that apply when the daemon starts anew."""
        self.failures = dict[str, str]()
        """Providers that a reload could not bring to what is wanted, with the reason."""
        self.changes = Changes(supervisor, schema.is_live, known, self._settled)
        self._applied = applied
        self._ahead = Ahead(house.path)
        self._is_refused = False
        self._is_asked = False
        self._saved = anyio.Event()
        self._turn = anyio.Lock()

    def stir(self) -> None:
        """The file is being saved."""
        self._ahead.begin()

    def save(self) -> None:
        """The file may have changed."""
        self._saved.set()

    def ask(self) -> None:
        """Somebody wants a reload, and that what failed is tried again."""
        self._is_asked = True
        self._saved.set()

    async def run(self) -> None:
        """Reload whenever the file was saved, until cancelled."""
        await self._remember("the daemon started")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._ahead.run)
            while True:
                await self._saved.wait()
                self._saved = anyio.Event()
                again, self._is_asked = self._is_asked, False
                try:
                    await self.reload(again=again)
                except Exception:
                    # The providers must not pay for a mistake of ours with their file.
                    log.exception("reload failed")

    async def reload(self, *, dry: bool = False, again: bool = True) -> Reloaded:
        """Read the file, and begin what it asks for; `dry`: only say what that would be; `again`: what failed
        is tried again, though the file is as it was."""
        async with self._turn:
            try:
                mark = await off_the_loop(fingerprint, self.house.path, self.house.secrets)
                has_more = dry or self._is_refused or (again and self.failures)
                if mark == self.house.mark and not has_more:
                    # When it was saved it was taken over already; that may still be under way.
                    return Reloaded(None, self.changes.under_way, self.problems)
                plan = await self._plan(await self._ahead.read(mark))
            except ConfigError as exc:
                return self._refuse(exc, dry)
            if dry:
                return Reloaded(plan, problems=mistakes(plan))
            reloaded = self._carry_out(plan)
            await self._remember(summary(plan))
            return reloaded

    async def _plan(self, wanted: House) -> Plan:
        """From what is wanted now to what the file wants."""
        while True:
            house = self.house
            plan = await off_the_loop(diff, house, wanted, schema.is_live)
            # A change that failed meanwhile has put back what is wanted of its provider.
            if house is self.house:
                return plan

    def _refuse(self, exc: ConfigError, dry: bool) -> Reloaded:
        if not dry:
            if exc.problems != self.problems:
                log.error("config is refused", problems=list(exc.problems))
            self.problems, self._is_refused = exc.problems, True
        return Reloaded(None, (), exc.problems, is_refused=True)

    def _carry_out(self, plan: Plan) -> Reloaded:
        self.house, self.later, self._is_refused = plan.house, plan.later, False
        self.problems = mistakes(plan)
        for step in plan.steps:
            if step.action is not Action.UNCHANGED:
                self.failures.pop(step.name, None)
        if not plan.is_empty or self.problems:
            log.info("config is reloaded", **told(plan), problems=list(self.problems) or None)
        self._applied(plan)
        changes = tuple(self.changes.carry_out(plan))
        return Reloaded(plan, changes, self.problems)

    async def _remember(self, what: str) -> None:
        """Keep what is applied now, for a rollback. That it cannot be kept hurts nothing else."""
        try:
            with anyio.fail_after(KEEPING):
                await off_the_loop(self._keep, what)
        except (OSError, ConfigError) as exc:
            reason = str(exc) or f"the disk did not answer within {KEEPING:g} s"
            log.warning("config is not kept for a rollback", reason=reason)

    def _keep(self, what: str) -> None:
        self.history.add(texts(self.house.path), what, self.house.mark.hex())

    def _settled(self, change: Change) -> None:
        """Of a provider that is as it was, that is wanted until the next reload tries again."""
        if not change.failure:
            self.failures.pop(change.provider, None)
        elif change.is_undone and change.before is not None:
            specs = (change.before if s.name == change.provider else s for s in self.house.specs)
            self.house = replace(self.house, specs=tuple(specs))
            self.failures[change.provider] = change.failure


def mistakes(plan: Plan) -> tuple[str, ...]:
    """Why some of its providers cannot be started as they are wanted."""
    return tuple(mistake for step in plan.steps for mistake in step.mistakes)


def told(plan: Plan) -> dict[str, Any]:
    """The names of the providers by what becomes of them; not of those that stay as they are."""
    names = {action: [step.name for step in plan.of(action)] for action in Action}
    return {
        action.replace(" ", "_"): found for action, found in names.items() if found and action != "unchanged"
    }


def summary(plan: Plan) -> str:
    """Such as `2 added, 1 restart`."""
    counts = {action: len(plan.of(action)) for action in Action if action is not Action.UNCHANGED}
    keys = [f"global.{key}" for key in (*plan.live, *plan.later)]
    said = [f"{count} {action}" for action, count in counts.items() if count]
    return ", ".join([*said, *keys]) or "nothing changed for any provider"

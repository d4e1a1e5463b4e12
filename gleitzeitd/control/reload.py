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
from gleitzeitd.control.transient_files import give_way
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.plan import Action, Plan, diff, differing
from gleitzeitd.core.spec import ExtensionTarget, House, Spec
from gleitzeitd.processes.changes import Change, Changes
from gleitzeitd.processes.supervisor import Supervisor

log = structlog.get_logger("gleitzeitd")
KEEPING = 5.0
"""Seconds that the disk has to keep what was applied."""
MOST_NAMES = 3


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of one reload."""

    plan: Plan | None
    """None: the file is as it was taken over, or is refused."""
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    """Why the file, or one of its providers, is not what runs."""
    is_refused: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What a provider could not be brought to, and why."""

    wanted: Spec
    reason: str


class Reload:
    """Knows what is wanted. Only this writes it."""

    def __init__(
        self,
        house: House,
        history: History,
        supervisor: Supervisor,
        known: Callable[[Spec], None],
        applied: Callable[[Plan], None],
        news: Callable[[], None],
        happened: Callable[[str, tuple[str, ...]], None] = lambda what, problems: None,
    ) -> None:
        """`known`: see Changes; `applied` is told of each plan before it is carried out, `news` whenever a
        change came to its end, `happened` of what became of a file, with what is wrong with it."""
        self.house = house
        self.history = history
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file as it is now, or with single providers of it."""
        self.kept: tuple[str, ...] = ()
        """The providers that these are about, as far as they go on as they were."""
        self.is_refused = False
        """The file as it is now is not what runs."""
        self.unkept = ""
        """Why what runs could not be kept for a rollback."""
        self.later: tuple[str, ...] = ()
        """Keys of `global` that apply when the daemon starts anew."""
        self.failures = dict[str, Failure]()
        """Of providers that go on as they were, since what should have taken their place failed."""
        self.changes = Changes(supervisor, schema.is_live, known, self._settled)
        self._applied, self._happened = applied, happened
        self._news = news
        self._ahead = Ahead(house.path, house.transient, self._is_new)
        self._is_asked = False
        self._sourced = set[str]()
        """The extensions whose files were saved since."""
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
                sourced, self._sourced = self._sourced, set()
                reloaded = await self.reload(again=again)
                for provider in sourced - _changed(reloaded.plan):
                    self._renew(provider)

    async def reload(self, *, dry: bool = False, again: bool = True) -> Reloaded:
        """Read the file, and begin what it asks for; `dry`: only say what that would be; `again`: what failed
        is tried again, though the file is as it was."""
        async with self._turn:
            try:
                mark = await off_the_loop(_fingerprint, self.house)
                has_more = dry or self.is_refused or (again and self.failures)
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
            await self._give_way()
            return reloaded

    async def _give_way(self) -> None:
        """What was run by a name that a file defines now does not come back when it is taken out there."""
        if given_way := await off_the_loop(lambda house: list(give_way(house)), self.house):
            log.info("the config file goes before what was run", names=given_way)
            self.save()

    def _is_new(self) -> bool:
        """Whether the file is another than was taken over. Raises ConfigError."""
        return _fingerprint(self.house) != self.house.mark

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
                self._happened("the config file is refused", exc.problems)
            self.problems, self.is_refused = exc.problems, True
        return Reloaded(None, (), exc.problems, is_refused=True)

    def _carry_out(self, plan: Plan) -> Reloaded:
        self._applied(plan)
        self.house, self.later, self.is_refused = plan.house, plan.later, False
        self.problems, self.kept = mistakes(plan), tuple(step.name for step in plan.of(Action.KEPT))
        unchanged = {step.name: step.spec for step in plan.of(Action.UNCHANGED)}
        # That the source of what is still wanted failed is still so.
        self.failures = {n: f for n, f in self.failures.items() if _is_same(unchanged.get(n), f.wanted)}
        if not plan.is_empty or self.problems:
            problems = {"problems": list(self.problems)} if self.problems else {}
            log.info("config is reloaded", **told(plan), **problems)
            self._happened(f"the config file is taken over: {summary(plan)}", self.problems)
        changes = self.changes.carry_out(plan)
        begun = {change.provider for change in changes}
        wanted = plan.house.by_name.keys() - begun
        # what an earlier save began is a part of what the file asks for as well
        earlier = [change for change in self.changes.under_way if change.provider in wanted]
        return Reloaded(plan, (*changes, *earlier), self.problems)

    async def _remember(self, what: str) -> None:
        """Keep what is applied now, for a rollback. That it cannot be kept hurts nothing else."""
        self.unkept = ""
        try:
            with anyio.fail_after(KEEPING):
                await off_the_loop(self._keep, what)
        except (OSError, ConfigError) as exc:
            self.unkept = str(exc) or f"the disk did not answer within {KEEPING:g} s"
            log.warning("config is not kept for a rollback", reason=self.unkept)

    def _keep(self, what: str) -> None:
        mark = self.house.saved_mark.hex()
        earlier = (version.number for version in self.history.versions() if version.fingerprint == mark)
        same, files = next(earlier, None), texts(self.house.path)
        # What was saved since is the next version.
        if not self._is_new():
            self.history.add(files, f"{what}, as version {same}" if same else what, mark)

    def renew(self, provider: str) -> None:
        """Its own source changed: what failed is tried again, or else its lives are replaced as they are."""
        wanted, failure = self.house.by_name.get(provider), self.failures.get(provider)
        either = (wanted, failure.wanted if failure else None)
        if any(one is not None and isinstance(one.target, ExtensionTarget) for one in either):
            # What it declares is part of the config, and may be another now.
            self._sourced.add(provider)
            self.save()
        else:
            self._renew(provider)

    def _renew(self, provider: str) -> None:
        wanted, failure = self.house.by_name.get(provider), self.failures.get(provider)
        if wanted is None or wanted.mistakes:
            return  # It was taken out of the file meanwhile, or cannot be started.
        if failure is None or _is_same(wanted, failure.wanted):
            self.changes.renew(provider)
        else:
            self._want(failure.wanted)
            self.changes.change(failure.wanted)

    def _want(self, spec: Spec) -> None:
        specs = (spec if other.name == spec.name else other for other in self.house.specs)
        self.house = replace(self.house, specs=tuple(specs))

    def _settled(self, change: Change) -> None:
        """What is wanted of a provider that goes on as it was is that, until a reload tries again."""
        if change.is_undone and change.before is not None:
            self._want(change.before)
            self.failures[change.provider] = Failure(change.wanted, change.failure)
        elif not change.failure:
            failure = self.failures.get(change.provider)
            if failure is not None and _is_same(failure.wanted, change.wanted):
                del self.failures[change.provider]
        self._news()


def _fingerprint(house: House) -> bytes:
    """The mark that it would have if it were made now. Raises ConfigError."""
    return fingerprint(house.path, house.secrets, house.extension_paths, house.transient)


def _changed(plan: Plan | None) -> set[str]:
    """The providers that it takes care of already."""
    steps = plan.steps if plan else ()
    return {step.name for step in steps if step.action not in (Action.UNCHANGED, Action.UPDATE)}


def _is_same(one: Spec | None, other: Spec) -> bool:
    return one is not None and not differing(one.settings, other.settings)


def mistakes(plan: Plan) -> tuple[str, ...]:
    """Why some of its providers cannot be started as they are wanted."""
    return tuple(mistake for step in plan.steps for mistake in step.mistakes)


def _named(plan: Plan) -> dict[Action, list[str]]:
    """The names of the providers by what becomes of them; not of those that stay as they are."""
    names = {a: [step.name for step in plan.of(a)] for a in Action if a is not Action.UNCHANGED}
    return {action: found for action, found in names.items() if found}


def told(plan: Plan) -> dict[str, Any]:
    """The same as fields of the log."""
    return {action.replace(" ", "_"): found for action, found in _named(plan).items()}


def summary(plan: Plan) -> str:
    """Such as `added: echo; restart: a, b, c and 2 more`."""
    said = [f"{action}: {_listed(found)}" for action, found in _named(plan).items()]
    keys = [f"global.{key}" for key in (*plan.live, *plan.later)]
    return "; ".join([*said, *keys]) or "nothing changed for any provider"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more

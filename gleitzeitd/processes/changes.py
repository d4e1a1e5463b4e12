"""Carries out what a plan says of each provider: the new life first where that can be, and back if it fails.

One change of a provider at a time. A newer one takes the place of one that is under way, and goes on from
what there is then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from gleitzeitd.core import events
from gleitzeitd.core.plan import Action, Plan, differing
from gleitzeitd.core.process import State
from gleitzeitd.core.replacement import Outcome, outcome, why
from gleitzeitd.core.spec import Policy, Spec, Update
from gleitzeitd.processes.instance import Instance
from gleitzeitd.processes.logs.lines import stamp
from gleitzeitd.processes.supervisor import Supervisor

log = structlog.get_logger("gleitzeitd")
CHANGED = "its settings changed"
PUT_BACK = "its old settings are put back"
RENEWED = "it is replaced as it is"
SUPERSEDED = "a newer change took its place"


@dataclass
class Change:
    """One provider on its way to what is wanted of it now."""

    provider: str
    action: Action
    wanted: Spec
    before: Spec | None
    """To what it goes back; None when it was not known."""
    is_started: bool = False
    """It is to be up, whether or not it was."""
    reason: str = CHANGED
    failure: str = ""
    """Why it did not come to that, as a sentence."""
    is_undone: bool = False
    """It is as it was before."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)
    begun: str = field(default_factory=stamp)
    """When, as times are told in outputs and histories."""


class FailedError(Exception):
    """The new life did not come up; `served`: the old one did, so that there is something to go back to."""

    def __init__(self, why: str, served: bool) -> None:
        super().__init__(why)
        self.served = served


class Changes:
    def __init__(
        self,
        supervisor: Supervisor,
        is_live: Callable[[str], bool],
        known: Callable[[Spec], None],
        settled: Callable[[Change], None],
    ) -> None:
        """`is_live`: whether what runs takes over a change of this key. `known` is told of each provider that
        is new, or whose settings are; `settled` of each change as soon as it succeeded or failed."""
        self._supervisor = supervisor
        self._succession = supervisor.succession
        self._is_live = is_live
        self._known = known
        self._settled = settled
        self._under_way: dict[str, Change] = {}
        self._tasks: TaskGroup

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Carry out changes until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            task_status.started()
            await anyio.sleep_forever()

    def carry_out(self, plan: Plan) -> list[Change]:
        """Begin what is to be done; each change says when it is done, and how it went."""
        changes = list[Change]()
        for step in plan.steps:
            if step.spec is None:
                self._remove(step.name)
            elif step.action in (Action.ADDED, Action.RESTART, Action.UPDATE):
                before = self._supervisor.spec(step.name)
                is_started = step.action is Action.ADDED and plan.house.auto_start
                changes.append(self._start(Change(step.name, step.action, step.spec, before, is_started)))
            elif step.action is Action.UNCHANGED and step.name not in self._under_way:
                self._succession.move(step.spec)
        self._succession.arrange([spec.name for spec in plan.house.specs], plan.house.parallel_starts)
        return changes

    @property
    def under_way(self) -> tuple[Change, ...]:
        return tuple(self._under_way.values())

    def change(self, spec: Spec) -> Change:
        """Bring one provider to what is wanted of it."""
        return self._start(Change(spec.name, Action.RESTART, spec, self._supervisor.spec(spec.name)))

    def renew(self, provider: str) -> Change | None:
        """Replace its lives as they are, one after the other, also those that come up just now: they may have
        read what is no longer so. None for a provider that nobody wants."""
        spec = self._supervisor.spec(provider)
        if spec is None or self._supervisor.is_going(provider):
            return None
        return self._start(Change(provider, Action.RESTART, spec, spec, reason=RENEWED))

    def _remove(self, provider: str) -> None:
        if change := self._under_way.get(provider):
            change.scope.cancel()
        self._succession.remove(provider)

    def _start(self, change: Change) -> Change:
        if superseded := self._under_way.get(change.provider):
            superseded.scope.cancel()
            # What it came to was never seen to work.
            change.before = superseded.before
        self._under_way[change.provider] = change
        self._tasks.start_soon(self._carry, change)
        return change

    async def _carry(self, change: Change) -> None:
        try:
            with change.scope:
                await self._try(change)
        except Exception as exc:
            # A mistake of ours with one provider must not end the daemon, and with it all the others.
            log.exception("change failed", name=change.provider)
            change.failure = f"an internal error: {type(exc).__name__}: {exc}"
        finally:
            if change.scope.cancel_called:
                change.failure = SUPERSEDED
            if self._under_way.get(change.provider) is change:
                del self._under_way[change.provider]
            change.done.set()

    async def _try(self, change: Change) -> None:
        try:
            await self._bring(change.wanted, change.reason, change.is_started)
        except FailedError as exc:
            change.failure, change.is_undone = str(exc), exc.served and change.before is not None
        # Who was woken up already is not cancelled any more.
        if change.scope.cancel_called:
            return
        self._settled(change)
        if change.failure:
            runs = "as it was" if change.is_undone else "as wanted"
            log.error("change failed", name=change.provider, reason=change.failure, goes_on=runs)
        if change.is_undone and change.before is not None:
            await self._put_back(change.before)

    async def _put_back(self, before: Spec) -> None:
        try:
            await self._bring(before, PUT_BACK)
        except FailedError as exc:
            log.error("old settings failed, too", name=before.name, reason=str(exc))

    async def _bring(self, spec: Spec, reason: str, is_started: bool = False) -> None:
        """Bring all of a provider to what is wanted of it. Raises FailedError."""
        supervisor, present = self._supervisor, self._supervisor.of(spec.name)
        is_up = is_started or any(instance.process.wanted for instance in present)
        fresh = self._succession.add(spec)
        self._known(spec)
        back = present if is_started else []
        for instance in back:
            self._succession.adopt(instance, spec)
        started = [*(fresh if is_up else ()), *back]
        for instance in started:
            supervisor.tell(instance.name, events.Start())
        for instance in started:
            await self._until_up(instance, served=bool(present) and not is_started)
        failures = [await self._failure_of(instance, spec, reason) for instance in present]
        if failed := [failure for failure in failures if failure is not None]:
            raise failed[0]
        for instance in present:
            if instance.name not in spec.instance_names:
                self._succession.retire(instance)

    async def _failure_of(self, instance: Instance, spec: Spec, reason: str) -> FailedError | None:
        """Replace one of several. That it was of no use before, and is of none now, is no reason to leave the
        others as they were. Raises FailedError when one that served cannot be replaced."""
        if instance.name not in spec.instance_names:
            return None
        try:
            await self._replace(instance, spec, reason)
        except FailedError as exc:
            if exc.served:
                raise
            return exc
        return None

    async def _replace(self, instance: Instance, spec: Spec, reason: str) -> None:
        """Raises FailedError."""
        supervisor, keys = self._supervisor, differing(instance.spec.settings, spec.settings)
        if reason != RENEWED and not instance.spec.mistakes and all(map(self._is_live, keys)):
            self._succession.adopt(instance, spec)
            if keys and _is_given_another_try(instance):
                supervisor.tell(instance.name, events.Start())
        elif not instance.process.wanted:
            self._succession.adopt(instance, spec)
        elif instance.process.state is State.RUNNING and spec.update is Update.START_FIRST:
            await self._start_first(instance, spec)
        else:
            await self._stop_first(instance, spec, reason)

    async def _start_first(self, leading: Instance, spec: Spec) -> None:
        supervisor = self._supervisor
        coming = self._succession.call_up(leading.name, spec)
        try:
            await supervisor.until(lambda: not leading.process.wanted or self._is_settled(coming, 0))
            if not leading.process.wanted:
                self._succession.adopt(leading, spec)
            elif outcome(coming.process, 0) is Outcome.READY:
                self._succession.give_lead(coming)
            else:
                raise FailedError(why(coming.process), served=True)
        finally:
            if supervisor.instances.get(leading.name) is not coming:
                self._succession.send_away(coming)

    async def _stop_first(self, instance: Instance, spec: Spec, reason: str) -> None:
        served, after = instance.process.state is State.RUNNING, instance.ledger.numbered
        self._succession.revise(instance, spec, reason)
        await self._until_up(instance, served, after)

    async def _until_up(self, instance: Instance, served: bool, after: int = 0) -> None:
        await self._supervisor.until(lambda: self._is_settled(instance, after))
        if outcome(instance.process, after) is Outcome.FAILED:
            raise FailedError(why(instance.process), served)

    def _is_settled(self, instance: Instance, after: int) -> bool:
        """Whether it has come to something, by all that was told."""
        return self._supervisor.is_idle and outcome(instance.process, after) is not Outcome.PENDING


def _is_given_another_try(instance: Instance) -> bool:
    """Whether what it waits for may have been what was changed."""
    state, policy = instance.process.state, instance.spec.rules.policy
    gave_up = state in (State.BACKOFF, State.FATAL)
    return instance.process.wanted and (gave_up or (state is State.EXITED and policy is Policy.ALWAYS))

"""The one loop that owns every process: facts and wants come in, `step` decides, effects go out.

It starts and ends processes and nothing else; what connections do is told to it, and what it finds out is
told to whoever was handed to it as a callback.
"""

from __future__ import annotations

import contextlib
import math
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus

from gleitzeitd.core import events
from gleitzeitd.core.events import End
from gleitzeitd.core.gates import NOT_COMING, Order, is_at_gate
from gleitzeitd.core.life import step
from gleitzeitd.core.process import Process, State
from gleitzeitd.core.spec import Spec
from gleitzeitd.core.verdict import Verdict
from gleitzeitd.processes.callbacks import Callbacks
from gleitzeitd.processes.checks.watching import Checks
from gleitzeitd.processes.child import OPEN, Child
from gleitzeitd.processes.containment import strays
from gleitzeitd.processes.containment.enclosure import Enclosure
from gleitzeitd.processes.containment.guard import guard
from gleitzeitd.processes.fleet import Fleet
from gleitzeitd.processes.generation import Generation, Wanted
from gleitzeitd.processes.instance import Instance, Role
from gleitzeitd.processes.logs.writer import WRITER
from gleitzeitd.processes.refusal import refusal
from gleitzeitd.processes.schedules import Schedules
from gleitzeitd.processes.succession import Succession

log = structlog.get_logger("gleitzeitd")
CHECK_FAILED = "a health check failed"
LAST_MOMENT = 2.0
"""Seconds that what is killed at the daemon's end has to be gone; its guardian goes on if it is not."""
ABANDON_AGAIN = 0.2
"""Seconds until a life in which we failed is ended once more."""


class Supervisor:
    def __init__(self, specs: Iterable[Spec], logs: Path, callbacks: Callbacks, slots: int = 8) -> None:
        """`logs` is the directory of the instances' output; `slots`: how many may be STARTING at once."""
        self._fleet = Fleet(specs, logs, slots)
        self._schedules = Schedules(self._tell)
        self.succession = Succession(self._fleet, self._schedules, self._tell, callbacks)
        self._call = callbacks
        # Bounded by nature: facts by the number of children, wants by the connections that bring them.
        self._events: deque[tuple[Instance, events.Event]] = deque()
        self._at_gate: dict[Instance, None] = {}
        self._tasks: TaskGroup | None = None
        self._news = anyio.Event()
        self._change = anyio.Event()
        self._children = set[int]()
        self._checks = Checks(self._children)
        self._enclosure = OPEN
        self._is_clear = False
        """Nothing of any instance is left for a guardian to end."""

    @property
    def instances(self) -> Mapping[str, Instance]:
        """Those that lead, by their names: what people mean."""
        return self._fleet.leading

    @property
    def order(self) -> Order:
        return self._fleet.order

    def tell(self, name: str, event: events.Event) -> None:
        """Something is wanted of, or was found out about, an instance. Of what is gone it is dropped."""
        instance = self._fleet.meant(name, event)
        if instance is None or self._is_in_vain(instance, event):
            return
        if isinstance(event, events.Stop):
            # Those that it replaced have no longer to drain than it has itself.
            again = event.hurries and not instance.process.wanted
            retired = (i for i in self._fleet.retired() if i.spec.name == instance.spec.name)
            for other in (*self._fleet.beside_of(name), *retired):
                self._tell(other, events.Stop(hurries=again))
        self._tell(instance, event)

    def stop_all(self, *, hurries: bool) -> None:
        """Whatever there is, led or leaving."""
        for instance in self._fleet:
            self._tell(instance, events.Stop(hurries))

    def _is_in_vain(self, instance: Instance, event: events.Event) -> bool:
        """What was taken out of the config is not started any more."""
        is_start = isinstance(event, events.Start | events.Restart)
        return is_start and self.is_going(instance.spec.name)

    def _tell(self, instance: Instance, event: events.Event) -> None:
        self._events.append((instance, event))
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()`, which is asked whenever something was acted upon."""
        while not true():
            await self._change.wait()

    async def turn(self) -> None:
        """Wait until the loop has gone round once more."""
        change = self._change
        self._news.set()
        await change.wait()

    def of(self, provider: str) -> list[Instance]:
        """A provider's instances; none when this daemon does not run it."""
        return self._fleet.of(provider)

    def spec(self, provider: str) -> Spec | None:
        """What is wanted of a provider; None when it is not known."""
        return self._fleet.specs.get(provider)

    def is_going(self, provider: str) -> bool:
        """Whether it was taken out of the config, and something of it is left."""
        return provider in self._fleet.going

    def beside(self, name: str) -> list[Instance]:
        """Who comes to take the place of an instance, and who had it before and is at its last calls."""
        return self._fleet.beside_of(name)

    def retired(self) -> list[Instance]:
        """Those whose name nobody has any more, at their last calls."""
        return self._fleet.retired()

    def pid(self, name: str, generation: int) -> int | None:
        """Of the process of that generation, as long as it is there."""
        instances = [*self.beside(name), *([self.instances[name]] if name in self.instances else [])]
        return next((i.process.pid for i in instances if i.process.generation == generation), None)

    @property
    def is_idle(self) -> bool:
        """Whether all that was told has been acted upon."""
        return not self._events

    def at_rest(self) -> bool:
        """Whether no process is left that we can end, nor wanted."""
        return self.is_idle and all(i.process.state in NOT_COMING for i in self._fleet)

    async def run(
        self, enclosure: Enclosure = OPEN, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Supervise until cancelled; what still runs then is killed."""
        self._enclosure, self._checks = enclosure, Checks(self._children, enclosure)
        strays.become_subreaper()
        WRITER.begin()
        # What was there before is somebody else's: a shell may have had jobs when it became the daemon.
        self._children.update(stat.pid for stat in strays.adopted(self._children))
        async with anyio.create_task_group() as guarding:
            # Guarded until the last of them is gone, whoever cancels us.
            scope = anyio.CancelScope(shield=True)
            await guarding.start(self._guard, scope)
            task_status.started()
            try:
                await self._supervise()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._clear_away()
                scope.cancel()

    async def _guard(self, scope: anyio.CancelScope, *, task_status: TaskStatus[None]) -> None:
        with scope:
            record, nursery = self._enclosure.record, self._enclosure.nursery
            if record is None:
                task_status.started()
            else:
                await guard(record, self._children, nursery, lambda: self._is_clear, task_status=task_status)

    async def _supervise(self) -> None:
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._reap_adopted)
            self._schedules.begin(self._tasks, self._fleet)
            while True:
                self._handle_events()
                self._handle_deadlines()
                self._open_gates()
                self._bury(self._tasks)
                await self._wait()

    async def _clear_away(self) -> None:
        """End whatever still runs, without asking, and keep what was printed."""
        living = [instance.child for instance in self._fleet if instance.child is not None]
        with anyio.move_on_after(LAST_MOMENT) as known:
            async with anyio.create_task_group() as ending:
                for child in living:
                    ending.start_soon(_end, child)
        # What hid its session and its mark is still a child of ours.
        with anyio.move_on_after(LAST_MOMENT) as hidden:
            await strays.end_adopted(self._children)
        self._is_clear = not known.cancelled_caught and not hidden.cancelled_caught
        for ledger in self._fleet.ledgers():
            ledger.output.close()

    async def _wait(self) -> None:
        deadline = min((instance.due for instance in self._fleet), default=math.inf)
        # With news there already this is a mere breath, which the rest of the daemon needs all the same.
        with anyio.CancelScope(deadline=deadline):
            await self._news.wait()

    def _handle_events(self) -> None:
        self._news = anyio.Event()
        for _ in range(len(self._events)):
            instance, event = self._events.popleft()
            self._apply(instance, event)
        self._tell_waiters()

    def _tell_waiters(self) -> None:
        self._change.set()
        self._change = anyio.Event()

    def _handle_deadlines(self) -> None:
        now = anyio.current_time()
        for instance in self._fleet:
            if now < instance.due:
                continue
            self._apply(instance, events.Elapsed())
            self._tell_waiters()

    def _open_gates(self) -> None:
        """Let go on whoever may; what that changes may let others go on in the next round."""
        if not self._at_gate:
            return
        instances = {instance.key: instance for instance in self._fleet}
        processes = {key: instance.process for key, instance in instances.items()}
        at_gate = {instance.key: instance.spec.name for instance in self._at_gate}
        for key, event in list(self.order.gates(at_gate, processes)):
            if isinstance(event, events.Held) and processes[key].reason == event.reason:
                continue
            self._apply(instances[key], event)
            self._tell_waiters()
            self._news.set()

    def _bury(self, tasks: TaskGroup) -> None:
        """Forget who has nothing left and is not wanted any more."""
        gone, unneeded = self._fleet.bury()
        for provider in gone:
            self._call.forgotten(provider)
        for ledger in unneeded:
            tasks.start_soon(ledger.close)
        if gone or unneeded:
            self._tell_waiters()

    def _apply(self, instance: Instance, event: events.Event) -> None:
        before = instance.process
        if not before.is_alive and before.rules is not instance.spec.rules:
            # The next life keeps the rules that are wanted now; the present one those it was started with.
            before = replace(before, rules=instance.spec.rules)
        if before.numbered != instance.ledger.numbered:
            before = replace(before, numbered=instance.ledger.numbered)
        instance.process, effects = step(before, event, anyio.current_time())
        if instance.process != before:
            with _kept_to(instance):
                self._note(instance, before)
        for effect in effects:
            with _kept_to(instance):
                self._perform(instance, effect)

    def _note(self, instance: Instance, before: Process) -> None:
        after = instance.process
        if is_at_gate(after):
            self._at_gate[instance] = None
        else:
            self._at_gate.pop(instance, None)
        if after.state is State.RUNNING:
            instance.running.set()
        self._announce(instance, before)
        self._call.changed(before, after, instance.role is Role.LEADING)

    def _announce(self, instance: Instance, before: Process) -> None:
        after = instance.process
        if after.state is State.WAITING and not after.reason:
            return  # At an open gate: it will be STARTING before anybody could look.
        if after.end is not None and before.end is None:
            instance.announced = after.state
            return  # The end of a process is told with its evidence by `_ended`.
        if after.state is instance.announced and after.reason == before.reason:
            return
        self._record(instance, after.generation, after.reason)
        role = None if instance.role is Role.LEADING else instance.role.name.lower()
        fields = {"role": role, "pid": after.pid, "reason": after.reason or None}
        known = {name: value for name, value in fields.items() if value is not None}
        if after.state is not instance.announced:
            log.info("process changed", name=after.name, was=instance.announced, now=after.state, **known)
        elif after.is_ready is not before.is_ready:
            what = "process is ready again" if after.is_ready else "process is not ready"
            log.info(what, name=after.name, **known)
        instance.announced = after.state

    def _perform(self, instance: Instance, effect: events.Effect) -> None:
        child = instance.child
        match effect:
            case events.Spawn(generation):
                self._spawn(instance, generation)
            case events.Drain(generation, timeout):
                self._call.drain(instance.name, generation, timeout)
            case events.Terminate() if child is not None:
                child.signal(instance.process.rules.stop_signal)
                # A stopped process cannot end before it goes on.
                child.signal(signal.SIGCONT)
            case events.Kill() if child is not None:
                child.kill()
            case events.Kill(generation):
                # Whatever went wrong with its spawn, there is nothing to wait for.
                self._tell(instance, events.Gone(generation))
            case events.Examine(generation) if child is not None:
                self._tell(instance, events.Remain(generation, ", ".join(child.survivors())))

    def _spawn(self, instance: Instance, generation: int) -> None:
        instance.ledger.numbered = generation
        spec = instance.spec
        try:
            launch = self._call.launch(spec, instance.name, generation)
            child = Child(launch, self._children, self._enclosure)
        except Exception as exc:
            # Whatever is wrong with one instance is the failure of that one alone.
            reason, mistake = refusal(spec, exc)
            self._tell(instance, events.SpawnFailed(generation, reason, mistake))
            return
        instance.running, instance.health = anyio.Event(), None
        instance.life = Generation(
            number=generation,
            spec=spec,
            wanted=Wanted(spec.health),
            launch=launch,
            child=child,
            checks=self._checks,
            output=instance.output,
            tell=partial(self._tell, instance),
            ended=partial(self._ended, instance, generation),
            gone=partial(self._gone, instance, generation),
            judged=partial(self._judged, instance, generation),
            running=instance.running,
        )
        self._tell(instance, events.Spawned(generation, child.pid))
        assert self._tasks is not None
        self._tasks.start_soon(self._live, instance, instance.life)

    async def _live(self, instance: Instance, generation: Generation) -> None:
        """One life. An error of ours in it ends this life, and no other."""
        live: Callable[[], Awaitable[None]] = generation.live
        while True:
            try:
                return await live()
            except Exception as exc:
                log.error("internal error", name=instance.name, error=_innermost(exc))
                live = partial(generation.abandon, f"an internal error: {_innermost(exc)}")
            await anyio.sleep(ABANDON_AGAIN)

    def _ended(self, instance: Instance, generation: int, end: End, lines: list[str]) -> None:
        # Its last words stand in the output, and in the reason for what comes next.
        log.info("process ended", name=instance.name, how=str(End(end.code)))
        self._record(instance, generation, str(end), tuple(lines))
        with _kept_to(instance):
            self._call.exited(instance.name, generation, end, lines)

    def _gone(self, instance: Instance, generation: int) -> None:
        instance.life = instance.health = None
        self._tell(instance, events.Gone(generation))

    def _judged(self, instance: Instance, generation: int, health: Verdict) -> None:
        instance.health = health
        if health.reason:
            what = f"{CHECK_FAILED}: {health.reason}"
            self._record(instance, generation, what, instead_of=CHECK_FAILED)

    def _record(
        self,
        instance: Instance,
        generation: int,
        what: str,
        evidence: tuple[str, ...] = (),
        instead_of: str | None = None,
    ) -> None:
        state = instance.process.state
        entry = instance.recorder.note(generation, state, what, evidence, instead_of)
        self._call.noted(instance.name, entry)

    async def _reap_adopted(self) -> None:
        with anyio.open_signal_receiver(signal.SIGCHLD) as signals:
            strays.reap_adopted(self._children)
            async for _ in signals:
                strays.reap_adopted(self._children)


def _innermost(exc: BaseException) -> str:
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return repr(exc)


@contextlib.contextmanager
def _kept_to(instance: Instance) -> Iterator[None]:
    """A mistake of ours with one instance must not end the daemon, and with it all the others."""
    try:
        yield
    except Exception as exc:
        log.error("internal error", name=instance.name, error=_innermost(exc))


async def _end(child: Child) -> None:
    child.kill()
    await child.exited()
    await child.clear()

"""The one loop that owns every process: facts and wants come in, `step` decides, effects go out.

It starts and ends processes and nothing else; what connections do is told to it, and what it finds out is
told to whoever was handed to it as a callback.
"""

from __future__ import annotations

import errno
import math
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import anyio
import structlog
from anyio.abc import TaskGroup

from gleitzeitd.core import events
from gleitzeitd.core.events import End
from gleitzeitd.core.process import AT_REST, Process, State, step
from gleitzeitd.core.spec import CommandTarget, Spec
from gleitzeitd.processes import containment
from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.output import Output, Reader

log = structlog.get_logger("gleitzeitd")
LAST_OUTPUT = 2.0
"""Seconds that output may still come after a process and all it started are gone."""
MISTAKEN = frozenset(
    {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP, errno.EISDIR, errno.E2BIG}
)
"""What only a human can mend when a program cannot be executed (execve(2))."""


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the supervisor needs done, and whom it tells."""

    launch: Callable[[Spec, int], Launch]
    """What to spawn for a generation."""
    drain: Callable[[str, int], None]
    """Let the calls of a generation end; `Drained` is told when they did."""
    changed: Callable[[Spec, Process, Process], None]
    """An instance changed from the first to the second."""
    exited: Callable[[str, int, End, list[str]], None]
    """A process ended; the last lines it wrote to stderr."""


class Instance:
    """One provider's process over its generations. Only the supervisor writes here."""

    def __init__(self, spec: Spec, output: Output) -> None:
        self.spec = spec
        self.output = output
        self.process = Process(spec.name, spec.rules)
        self.child: Child | None = None


class Supervisor:
    def __init__(self, specs: Iterable[Spec], logs: Path, callbacks: Callbacks) -> None:
        """`logs` is the directory of the instances' output."""
        self.instances = {
            spec.name: Instance(spec, Output(spec.name, str(logs / f"{spec.name}.log"))) for spec in specs
        }
        self._call = callbacks
        # Bounded by nature: facts by the number of children, wants by the connections that bring them.
        self._events: deque[tuple[Instance, events.Event]] = deque()
        self._news = anyio.Event()
        self._change = anyio.Event()
        self._children: set[int] = set()

    def tell(self, name: str, event: events.Event) -> None:
        """Something is wanted of, or was found out about, an instance."""
        self._events.append((self.instances[name], event))
        self._news.set()

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until `true()`, which is asked whenever something was acted upon."""
        while not true():
            await self._change.wait()

    @property
    def is_idle(self) -> bool:
        """Whether all that was told has been acted upon."""
        return not self._events

    def at_rest(self) -> bool:
        """Whether no process is left, nor wanted."""
        return self.is_idle and all(i.process.state in AT_REST for i in self.instances.values())

    async def run(self) -> None:
        """Supervise until cancelled; what still runs then is killed."""
        containment.become_subreaper()
        # What was there before is somebody else's: a shell may have had jobs when it became the daemon.
        self._children.update(stat.pid for stat in containment.adopted(self._children))
        try:
            async with anyio.create_task_group() as lives:
                lives.start_soon(self._reap_adopted)
                while True:
                    self._handle_events(lives)
                    self._handle_deadlines(lives)
                    await self._wait()
        finally:
            with anyio.move_on_after(LAST_OUTPUT, shield=True):
                await self._clear_away()

    async def _clear_away(self) -> None:
        """End whatever still runs, without asking."""
        living = [instance.child for instance in self.instances.values() if instance.child is not None]
        for child in living:
            child.kill()
        for child in living:
            await child.exited()
            await child.clear()
        # What hid its session and its mark is still a child of ours.
        for stat in containment.adopted(self._children):
            containment.kill(stat)
        for instance in self.instances.values():
            instance.output.close()

    async def _wait(self) -> None:
        deadlines = (i.process.deadline for i in self.instances.values())
        deadline = min((d for d in deadlines if d is not None), default=math.inf)
        # With news there already this is a mere breath, which the rest of the daemon needs all the same.
        with anyio.CancelScope(deadline=deadline):
            await self._news.wait()

    def _handle_events(self, lives: TaskGroup) -> None:
        self._news = anyio.Event()
        for _ in range(len(self._events)):
            instance, event = self._events.popleft()
            self._apply(instance, event, lives)
        self._tell_waiters()

    def _tell_waiters(self) -> None:
        self._change.set()
        self._change = anyio.Event()

    def _handle_deadlines(self, lives: TaskGroup) -> None:
        now = anyio.current_time()
        for instance in self.instances.values():
            deadline = instance.process.deadline
            if deadline is None or now < deadline:
                continue
            # An exit that is on its way counts before the deadline: /bin/false was never RUNNING.
            if instance.child is not None and instance.child.has_ended() and not _is_ending(instance):
                continue
            self._apply(instance, events.Elapsed(), lives)
            self._tell_waiters()

    def _apply(self, instance: Instance, event: events.Event, lives: TaskGroup) -> None:
        before = instance.process
        instance.process, effects = step(before, event, anyio.current_time())
        if instance.process != before:
            self._announce(instance, before)
        for effect in effects:
            self._perform(instance, effect, lives)

    def _announce(self, instance: Instance, before: Process) -> None:
        after = instance.process
        if after.end is not None and before.end is None:
            # Its last words stand in the output, and in the reason for what comes next.
            log.info("process ended", name=after.name, how=str(End(after.end.code)))
        elif after.state is not before.state:
            fields = {"pid": after.pid, "reason": after.reason or None}
            known = {name: value for name, value in fields.items() if value is not None}
            log.info("process changed", name=after.name, was=before.state, now=after.state, **known)
        self._call.changed(instance.spec, before, after)

    def _perform(self, instance: Instance, effect: events.Effect, lives: TaskGroup) -> None:
        match effect:
            case events.Spawn(generation):
                self._spawn(instance, generation, lives)
            case events.Drain(generation):
                self._call.drain(instance.spec.name, generation)
            case events.Terminate() if instance.child is not None:
                instance.child.signal(instance.spec.rules.stop_signal)
                # A stopped process cannot end before it goes on.
                instance.child.signal(signal.SIGCONT)
            case events.Kill() if instance.child is not None:
                instance.child.kill()

    def _spawn(self, instance: Instance, generation: int, lives: TaskGroup) -> None:
        name = instance.spec.name
        try:
            child = Child(self._call.launch(instance.spec, generation), self._children)
        except OSError as exc:
            reason = _spawn_failure(instance.spec, exc)
            self.tell(name, events.SpawnFailed(generation, reason, exc.errno in MISTAKEN))
            return
        except (ValueError, IndexError) as exc:
            # What no process can be given: no program at all, a NUL in an argument.
            reason = f"{instance.spec.where}: the process cannot be started: {exc}"
            self.tell(name, events.SpawnFailed(generation, reason, mistake=True))
            return
        instance.child = child
        self.tell(name, events.Spawned(generation, child.pid))
        lives.start_soon(self._live, instance, generation, child)

    async def _live(self, instance: Instance, generation: int, child: Child) -> None:
        """One generation until nothing of it is left."""
        stdout = Reader(child.stdout, "stdout", instance.output)
        stderr = Reader(child.stderr, "stderr", instance.output)
        async with anyio.create_task_group() as readers:
            readers.start_soon(stdout.run)
            readers.start_soon(stderr.run)
            code = await child.exited()
            stdout.drain()
            stderr.drain()
            self._tell_end(instance, generation, code, stderr.tail())
            await child.clear()
            instance.child = None
            self.tell(instance.spec.name, events.Gone(generation))
            readers.cancel_scope.deadline = anyio.current_time() + LAST_OUTPUT

    def _tell_end(self, instance: Instance, generation: int, code: int, lines: list[str]) -> None:
        end = End(code, _last_words(lines) if code > 0 else "")
        self._call.exited(instance.spec.name, generation, end, lines)
        self.tell(instance.spec.name, events.Exited(generation, end))

    async def _reap_adopted(self) -> None:
        with anyio.open_signal_receiver(signal.SIGCHLD) as signals:
            containment.reap_adopted(self._children)
            async for _ in signals:
                containment.reap_adopted(self._children)


def _is_ending(instance: Instance) -> bool:
    return instance.process.state is State.STOPPING


def _last_words(lines: list[str]) -> str:
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def _spawn_failure(spec: Spec, exc: OSError) -> str:
    """The sentence for a spawn that failed."""
    program = spec.target.argv[0] if isinstance(spec.target, CommandTarget) else sys.executable
    match exc.errno:
        case errno.ENOENT if spec.cwd is not None and not os.path.isdir(spec.cwd):
            why = f'there is no directory "{spec.cwd}"'
        case errno.ENOENT:
            why = f'there is no program "{program}"'
        case errno.EACCES:
            why = f'"{program}" may not be executed'
        case errno.ENOEXEC:
            why = f'"{program}" is not a program: its first line may lack "#!"'
        case _:
            why = f'"{program}" cannot be started: {exc.strerror}'
    return f"{spec.where}: {why}"

"""One generation of one instance: its output read, its checks made, its end told, until nothing is left."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

import anyio

from gleitzeitd.core import events
from gleitzeitd.core.events import End, Fact
from gleitzeitd.core.spec import Check, CheckKind, Spec
from gleitzeitd.core.verdict import Verdict
from gleitzeitd.processes import memory
from gleitzeitd.processes.checks.watching import Checks, watch
from gleitzeitd.processes.child import Child
from gleitzeitd.processes.launch import Launch
from gleitzeitd.processes.logs.output import Output, Reader

LAST_OUTPUT = 2.0
"""Seconds that output may still come after a process and all it started are gone."""


class Wanted:
    """What is wanted of a life, as far as that may change while it goes on. Only the supervisor writes."""

    def __init__(self, health: Check | None) -> None:
        self.health = health
        self.changed = anyio.Event()

    def take(self, health: Check | None) -> None:
        if health != self.health:
            self.health = health
            self.changed.set()
            self.changed = anyio.Event()


@dataclass(frozen=True, slots=True)
class Generation:
    number: int
    spec: Spec
    """What it was started with."""
    wanted: Wanted
    launch: Launch
    child: Child
    checks: Checks
    output: Output
    tell: Callable[[Fact], None]
    """To the supervisor, about this generation."""
    ended: Callable[[End, list[str]], None]
    """Its process ended; the last lines it wrote to stderr."""
    gone: Callable[[], None]
    """Nothing is left of it."""
    judged: Callable[[Verdict], None]
    """What its health checks come to, now that this changed."""
    running: anyio.Event
    """Set when it became RUNNING: only then one asks whether it is still of use."""

    async def live(self) -> None:
        """From the spawn until nothing of it is left."""
        stdout = Reader(self.child.stdout, "stdout", self.output)
        stderr = Reader(self.child.stderr, "stderr", self.output)
        async with anyio.create_task_group() as readers:
            readers.start_soon(stdout.run)
            readers.start_soon(stderr.run)
            await self._until_exit(stdout, stderr)
            await self.child.clear()
            self.gone()
            readers.cancel_scope.deadline = anyio.current_time() + LAST_OUTPUT

    async def abandon(self, why: str) -> None:
        """After an error of ours: end it without asking anything more of it."""
        self.child.kill()
        self._tell_end(await self.child.exited(), [why])
        await self.child.clear()
        self.gone()

    async def _until_exit(self, stdout: Reader, stderr: Reader) -> None:
        """Until its end is told. While it lives, its checks are made."""
        async with anyio.create_task_group() as watching:
            if self._is_ours(ready := self.spec.ready):
                watching.start_soon(self._watch_ready, ready)
            watching.start_soon(self._watch_health)
            if (limit := self.spec.limits.max_rss) is not None:
                watching.start_soon(memory.watch_memory, limit, self._pids, partial(self._outgrew, limit))
            code = await self.child.exited()
            # Told at once: a check that is being made may take a while to be ended.
            stdout.drain()
            stderr.drain()
            self._tell_end(code, stderr.tail())
            watching.cancel_scope.cancel()

    def _is_ours(self, check: Check | None) -> TypeGuard[Check]:
        """Whether it is for us to make: a provider is asked over its connection."""
        return check is not None and check.kind is not CheckKind.PROVIDER

    async def _watch_ready(self, check: Check) -> None:
        await watch(check, self.checks.asker(check, self.launch), self._judge_ready)

    def _judge_ready(self, verdict: Verdict) -> None:
        self.tell(events.Checked(self.number, verdict.good is True, verdict.reason))

    async def _watch_health(self) -> None:
        """Only what has become RUNNING is asked whether it still is of use."""
        await self.running.wait()
        while True:
            changed = self.wanted.changed
            async with anyio.create_task_group() as checking:
                if self._is_ours(check := self.wanted.health):
                    checking.start_soon(self._check_health, check)
                await changed.wait()
                checking.cancel_scope.cancel()

    async def _check_health(self, check: Check) -> None:
        # Spread, so that many that started together are not asked together.
        await anyio.sleep(check.interval * random.random())
        await watch(check, self.checks.asker(check, self.launch), partial(self._judge_health, check))

    def _judge_health(self, check: Check, verdict: Verdict) -> None:
        self.judged(verdict)
        if verdict.good is False:
            said = f"{check.failures} health checks in a row failed: {verdict.reason}"
            self.tell(events.Failed(self.number, said))

    def _pids(self) -> Iterable[int]:
        return memory.family(self.child.pid)

    def _outgrew(self, limit: int, total: int) -> None:
        said = f"it uses {total / 2**20:.0f} MiB, more than its max_rss of {limit / 2**20:.0f} MiB"
        self.tell(events.Outgrew(self.number, said))

    def _tell_end(self, code: int, lines: list[str]) -> None:
        end = End(code, self.child.oom() or (_last_words(lines) if code > 0 else ""))
        self.tell(events.Exited(self.number, end))
        self.ended(end, lines)


def _last_words(lines: list[str]) -> str:
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

"""The check that runs a program: a process of its own, which is never left behind.

It is executed as its instance is, in a session of its own and under a mark of its own. So killing it cannot
kill the instance, and it ends with the instance only because whoever watches is cancelled then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio

from gleitzeitd.core.events import End
from gleitzeitd.core.spec import Check
from gleitzeitd.core.verdict import Outcome
from gleitzeitd.processes.checks.shortage import is_shortage, words
from gleitzeitd.processes.checks.unended import Key, Unended
from gleitzeitd.processes.child import Child
from gleitzeitd.processes.containment.enclosure import Enclosure
from gleitzeitd.processes.containment.strays import Stat
from gleitzeitd.processes.launch import Launch

KEPT = 512
"""Bytes that are kept of each stream: its last ones."""
AT_ONCE = 64 * 1024
CLEARING = 2.0
"""Seconds until what was killed and does not vanish is given up."""
PAUSE = 0.002
"""Seconds between two reads, so that others have their turn while a check floods."""
TRY_AGAIN = 0.05
"""Seconds until what we lacked the means for is tried again."""


class Execution:
    """One exec check of one life. Two of it never run at once."""

    def __init__(
        self,
        check: Check,
        launch: Launch,
        siblings: set[int],
        enclosure: Enclosure,
        unended: Unended,
        key: Key,
    ) -> None:
        """`launch` says as whom, where, with what and under which mark it runs.

        `siblings` and `enclosure` are for Child; `unended` keeps under `key` what could not be ended.
        """
        self._check = check
        self._launch = replace(launch, argv=check.argv, stdin=b"")
        self._siblings = siblings
        self._enclosure = enclosure
        self._unended = unended
        self._key = key

    async def ask(self) -> Outcome:
        began = anyio.current_time()
        ok, why = await self._result()
        program = self._check.argv[0] if self._check.argv else ""
        return Outcome(ok, f'check "{program}": {why}' if why else "", anyio.current_time() - began)

    async def _result(self) -> tuple[bool | None, str]:
        if unended := self._unended.of(self._key):
            left = ", ".join(map(str, unended))
            return False, f"what the last one left does not end although it was killed: {left}"
        try:
            async with self._spawned() as child:
                return await self._outcome(child)
        except OSError as exc:
            where = f": {exc.filename}" if exc.filename else ""
            return None if is_shortage(exc) else False, f"cannot be started: {words(exc)}{where}"
        except (ValueError, IndexError) as exc:
            # What no process can be given: no program at all, a NUL in an argument.
            return False, f"cannot be started: {exc}"

    @contextlib.asynccontextmanager
    async def _spawned(self) -> AsyncIterator[Child]:
        child = Child(self._launch, self._siblings, self._enclosure)
        try:
            yield child
        finally:
            try:
                await self._clear(child)
            finally:
                os.close(child.stdout)
                os.close(child.stderr)

    async def _clear(self, child: Child) -> None:
        """End all of it. What cannot be ended is remembered, so that it stays the only one."""
        with anyio.move_on_after(CLEARING, shield=True):
            await _end(child)
            return
        # It is reaped like anything adopted, whenever it ends.
        self._siblings.discard(child.pid)
        left = [Stat.of(int(said.split()[0])) for said in child.survivors()]
        self._unended.add(self._key, (stat for stat in left if stat is not None))

    async def _outcome(self, child: Child) -> tuple[bool | None, str]:
        stdout, stderr = Tail(child.stdout), Tail(child.stderr)
        code: int | None = None
        lacking: OSError | None = None
        try:
            async with anyio.create_task_group() as reading:
                reading.start_soon(stdout.run)
                reading.start_soon(stderr.run)
                code = await self._exit_status(child)
                reading.cancel_scope.cancel()
        except* OSError as group:
            lacking = _first(group)
        if lacking is not None:
            return None if is_shortage(lacking) else False, f"cannot be watched: {words(lacking)}"
        # What it wrote last is still in the pipes.
        stdout.read()
        stderr.read()
        if code == 0:
            return True, ""
        said = stderr.last_words or stdout.last_words
        if code is not None:
            return False, str(End(code, said))
        why = f"no answer within {self._check.timeout:g} s"
        return False, f"{why}: {said}" if said else why

    async def _exit_status(self, child: Child) -> int | None:
        """None when it has none in time. An exit at the deadline counts."""
        with anyio.move_on_after(self._check.timeout):
            return await child.exited()
        return await child.exited() if child.has_ended() else None


async def _end(child: Child) -> None:
    """Kill it and all it started until nothing is left, also when we lack the means to at first."""
    while True:
        with contextlib.suppress(OSError):
            if not child.has_ended():
                child.kill()
            await child.exited()
            await child.clear()
            return
        await anyio.sleep(TRY_AGAIN)


def _first(group: BaseExceptionGroup[OSError]) -> OSError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first


class Tail:
    """The last bytes of one pipe. All others are read and dropped, so that nobody waits for room in it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._kept = b""

    async def run(self) -> None:
        """Read until the last writer closed it."""
        while self.read():
            await anyio.sleep(PAUSE)
            await anyio.wait_readable(self._descriptor)

    def read(self) -> bool:
        """Take what is there; whether more may come."""
        try:
            got = os.read(self._descriptor, AT_ONCE)
        except BlockingIOError:
            return True
        self._kept = (self._kept + got[-KEPT:])[-KEPT:]
        return bool(got)

    @property
    def last_words(self) -> str:
        """The last line with anything in it, as text for one line."""
        lines = self._kept.decode(errors="replace").splitlines()
        shown = ("".join(c if c.isprintable() else " " for c in line).strip() for line in reversed(lines))
        return next((line for line in shown if line), "")

"""One spawned process: its start, its end by pidfd, and the clearing of all it left."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from concurrent.futures import Future

import anyio

from gleitzeitd.processes.containment import descriptors, oom, strays
from gleitzeitd.processes.containment.cgroup import Group
from gleitzeitd.processes.containment.enclosure import Enclosure
from gleitzeitd.processes.containment.strays import Stat
from gleitzeitd.processes.launch import Launch
from gleitzeitd.processes.spawn import Spawned, spawn

__all__ = ["Child", "Launch"]

LOOK_AGAIN = 0.005
"""Seconds until the second look at what was killed and has yet to vanish; the pauses double."""
LONGEST_PAUSE = 1.0
UNTRACED = 0.05
"""Seconds until one that is dead, but traced, is looked at again."""
LOADING = 0.01
"""Seconds in which most programs are loaded."""
OPEN = Enclosure()


class Child:
    """A process that leads a session of its own. Its exit status is ours until `exited` returned."""

    def __init__(self, launch: Launch, siblings: set[int], enclosure: Enclosure = OPEN) -> None:
        """Spawn it. Raises OSError when that fails; the successful exec is confirmed.

        `siblings` are the pids of all our children that somebody waits for; this one joins them.
        """
        self._marker = launch.marker
        self._enclosure = enclosure
        self._siblings = siblings
        self._known = dict[int, int]()
        self._code: int | None = None
        self._was_killed = False
        self._oom = ""
        self._ooms_before = oom.kills_lately()
        prepared = self._prepared(launch)
        try:
            spawned = spawn(launch, prepared.procs if prepared is not None else None)
            self._handle = _pidfd(spawned)
        except BaseException:
            if prepared is not None:
                prepared.remove()
            raise
        self.pid, self.stdout, self.stderr = spawned.popen.pid, spawned.stdout, spawned.stderr
        siblings.add(self.pid)
        if enclosure.nofile is not None and launch.limits.nofile is None:
            descriptors.give_back_limit(self.pid, enclosure.nofile)
        self._placed = self._place(prepared)

    def _prepared(self, launch: Launch) -> Group | None:
        """A cgroup made before the spawn, for a process that enters it by itself or must not be late."""
        nursery = self._enclosure.nursery
        if nursery is None:
            return None
        nursery.settle()
        if launch.is_plain and not nursery.enforces(launch.limits):
            return None
        return nursery.prepare(launch.marker, launch.limits)

    def _place(self, prepared: Group | None) -> Future[Group | None]:
        if prepared is None and self._enclosure.nursery is not None:
            return self._enclosure.nursery.place(self.pid, self._marker, self._siblings)
        placed = Future[Group | None]()
        placed.set_result(prepared)
        return placed

    @property
    def _group(self) -> Group | None:
        return self._placed.result() if self._placed.done() else None

    def has_ended(self) -> bool:
        """Whether it has ended by now, reaped or not."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._code is not None or os.waitid(os.P_PIDFD, self._handle, flags) is not None

    def signal(self, number: signal.Signals) -> None:
        """Send to its process group, as long as that is certainly its own."""
        if self._code is None:
            self._was_killed |= number is signal.SIGKILL
            if self._group is None and number is not signal.SIGKILL:
                with contextlib.suppress(OSError):
                    self.remember()
            self._signal_group(number)

    def _signal_group(self, number: int) -> None:
        # One that became another user's is out of our reach.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def remember(self) -> None:
        """Look who descends from it, so that who leaves it later is still known. Without a cgroup only."""
        self._known = {pid: at for pid, at in self._known.items() if _started(pid) == at}
        self._known.update((stat.pid, stat.started) for stat in strays.descendants([self.pid]))

    async def exited(self) -> int:
        """Wait for its end, as subprocess tells it: the exit status, or the signal negated."""
        if self._code is not None:
            return self._code
        await self._record()
        await anyio.wait_readable(self._handle)
        if not self._placed.done():
            # Until then its number must not become anybody else's.
            await asyncio.wait([asyncio.wrap_future(self._placed)])
        # One that is traced is told to its tracer first, who may be stopped.
        while not self.has_ended():
            self._signal_group(signal.SIGKILL)
            await anyio.sleep(UNTRACED)
        return self._reap()

    async def _record(self) -> None:
        """Write it down, a moment after its spawn: who asks sooner is held up by the kernel until its
        program is loaded."""
        if self._enclosure.record is not None:
            with anyio.move_on_after(LOADING):
                await anyio.wait_readable(self._handle)
            self._enclosure.record.spawned(self.pid)

    def _reap(self) -> int:
        if self._code is not None:
            return self._code
        # As a zombie it still holds its number, so the group cannot be anybody else's yet.
        self._signal_group(signal.SIGKILL)
        result = os.waitid(os.P_PIDFD, self._handle, os.WEXITED | os.WNOHANG)
        assert result is not None
        # Nobody is told it again: it is kept before anything else can fail.
        self._code = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        self._siblings.discard(self.pid)
        os.close(self._handle)
        strays.reap_adopted(self._siblings)
        self._oom = self._why_killed(self._code)
        return self._code

    def give_up(self) -> None:
        """Wait for it no longer, as it does not end although it was killed: whenever it does, it is reaped
        like anything adopted. Nothing can be asked of it afterwards."""
        if self._code is None:
            # From now on its number may become a stranger's.
            self._code = -signal.SIGKILL
            self._siblings.discard(self.pid)
            os.close(self._handle)
        if self._enclosure.record is not None:
            self._enclosure.record.cleared(self.pid)

    def _why_killed(self, code: int) -> str:
        group = self._group
        if group is not None and group.oom_kills():
            return oom.BY_GROUP
        if code == -signal.SIGKILL and not self._was_killed and oom.kills() > self._ooms_before:
            return oom.PERHAPS
        return ""

    def oom(self) -> str:
        """Once it has exited: words for the reason when it was for want of memory, else nothing."""
        return self._oom

    async def clear(self) -> None:
        """Kill what its life left behind, until nothing is left."""
        pause = LOOK_AGAIN
        while not self._is_clear():
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            strays.reap_adopted(self._siblings)
        if self._enclosure.record is not None:
            self._enclosure.record.cleared(self.pid)

    def _is_clear(self) -> bool:
        """Whether nothing is left; what is left is killed."""
        group = self._group
        is_populated = group is not None and group.is_populated()
        if group is not None and is_populated and group.kill():
            return False
        try:
            left = strays.kill_all(self._left if is_populated else self._strays)
            return not left and (group is None or group.remove())
        except OSError:
            return False  # Who cannot be seen now, as for want of descriptors, may live.

    def _left(self) -> list[Stat]:
        """What is alive of it beside itself."""
        return [*self._strays(), *self._inside()]

    def _inside(self) -> list[Stat]:
        """Who lives in its cgroup beside itself."""
        pids = self._group.pids() if self._group is not None else []
        looked = [Stat.look(pid) for pid in pids if pid != self.pid]
        return [stat for stat in looked if stat is not None and stat.is_alive]

    def _strays(self) -> list[Stat]:
        """What is alive of it beside itself, and was not found in its cgroup."""
        if not self._known and self._code is not None and not strays.has_adopted(self._siblings):
            return []
        others = self._siblings if self._code is not None else self._siblings - {self.pid}
        left = strays.remains(self.pid, self._marker, others, self._known)
        self._known.update((stat.pid, stat.started) for stat in left)
        return left

    def kill(self) -> None:
        """SIGKILL to everything of this life."""
        is_done = self._group is not None and self._group.kill()
        # Stopped before one looks, it cannot start what would not be found.
        self.signal(signal.SIGSTOP)
        # Who cannot be seen now is looked for when it is cleared.
        with contextlib.suppress(OSError):
            strays.kill_all(self._strays if is_done else self._left)
        self.signal(signal.SIGKILL)

    def survivors(self) -> list[str]:
        """What is alive of it, in words: who survives SIGKILL waits for something in the kernel."""
        alive = dict[int, Stat]()
        # Who cannot be seen now is missing.
        with contextlib.suppress(OSError):
            alive.update((stat.pid, stat) for stat in self._left())
        own = Stat.of(self.pid) if self._code is None else None
        if own is not None and own.is_alive:
            alive[self.pid] = own
        return [str(alive[pid]) for pid in sorted(alive)]


def _pidfd(spawned: Spawned) -> int:
    """Raises OSError, and leaves no process and no descriptor behind, when there is none to be had."""
    popen = spawned.popen
    try:
        handle = os.pidfd_open(popen.pid)
    except OSError:
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()
        os.close(spawned.stdout)
        os.close(spawned.stderr)
        raise
    popen.returncode = 0  # Popen must never wait for it: we reap it ourselves.
    return handle


def _started(pid: int) -> int | None:
    """When a living one was started. Raises OSError."""
    stat = Stat.look(pid)
    return None if stat is None or not stat.is_alive else stat.started

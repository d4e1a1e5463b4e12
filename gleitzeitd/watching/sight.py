"""Waiting until a save has settled, by the kernel's word, or by looking where the kernel has none."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Self

import anyio
import structlog
from anyio import to_thread

from gleitzeitd.watching.inotify import Inotify
from gleitzeitd.watching.places import Places, look

LONGEST = 2.0
"""Seconds after which unceasing saves count as one, too."""
EVERY = 1.0
"""Seconds between two looks where the kernel does not tell."""
_PASSES = 10
"""Surveys of what changes while one looks."""
_REMOTE = ("9p", "afs", "ceph", "cifs", "fuse", "lustre", "nfs", "smb", "vboxsf", "virtiofs")
"""How the types of file systems begin that others write to without our kernel's knowing."""

log = structlog.get_logger("gleitzeitd")


class Sight:
    """Keeps in sight what `survey` names; it is asked again whenever something there has changed.

    It stands from `with` on: what one reads after that is not older than what one is told.
    """

    def __init__(self, survey: Callable[[], Places]) -> None:
        self._survey = survey
        self._kernel: Inotify | None = None
        self._seen = look({})
        self._has_complained = False

    def __enter__(self) -> Self:
        self._take_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    async def stirred(self) -> None:
        """Wait for a change."""
        await self._news()

    async def settled(self, quiet: float) -> None:
        """Wait, after a change, until there was none for `quiet` seconds."""
        with anyio.move_on_after(LONGEST):
            while await self._goes_on(quiet):
                pass

    async def _goes_on(self, quiet: float) -> bool:
        with anyio.move_on_after(quiet) as silence:
            await self._news()
        return not silence.cancelled_caught

    async def _news(self) -> None:
        if self._kernel is None:
            await self._changed()
        else:
            await self._kernel.news()
        self._take_in()

    async def _changed(self) -> None:
        now = self._seen
        while now == self._seen:
            await anyio.sleep(EVERY)
            # In a thread, and left behind in need: a server of files may have gone away.
            now = await to_thread.run_sync(lambda: look(self._survey()), abandon_on_cancel=True)

    def _take_in(self) -> None:
        """Watch what the survey names now, until it names the same after as before."""
        places: Places | None = None
        for _ in range(_PASSES):
            try:
                if (now := self._survey()) == places:
                    return
                places = now
                self._watch(places)
            except OSError as exc:
                self._close()
                self._complain(exc)
                self._seen = look(places or {})
                return

    def _watch(self, places: Places) -> None:
        remote = _remote_devices()
        for place, names in places.items():
            if names and remote and _device(place) in remote:
                raise OSError(0, f"{place} is on a file system of another machine")
        self._kernel = self._kernel or Inotify()
        self._kernel.watch(places)

    def _close(self) -> None:
        if self._kernel is not None:
            self._kernel.close()
            self._kernel = None

    def _complain(self, exc: OSError) -> None:
        if not self._has_complained:
            self._has_complained = True
            log.warning("files are looked at once a second, as the kernel does not tell", reason=exc.strerror)


def _remote_devices() -> frozenset[int]:
    """The devices that the file systems of other machines appear as (proc_pid_mountinfo(5))."""
    try:
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split(" - ") for line in file]
    except OSError:
        return frozenset()
    return frozenset(
        os.makedev(*map(int, mount.split()[2].split(":")))
        for mount, source in mounts
        if source.startswith(_REMOTE)
    )


def _device(place: str) -> int | None:
    try:
        return os.stat(place).st_dev
    except OSError:
        return None

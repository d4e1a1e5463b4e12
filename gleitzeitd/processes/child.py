"""One spawned process: its start, its end by pidfd, and the clearing of all it left."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import anyio

from gleitzeitd.processes import containment

LOOK_AGAIN = 0.005
"""Seconds until the second look at what was killed and has yet to vanish; the pauses double."""
LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Launch:
    """All that a spawn needs. `stdin` is given to the process as a file; nothing of it shows in /proc."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    marker: str
    cwd: str | None = None
    stdin: bytes = b""


class Child:
    """A process that leads a session of its own. Its exit status is ours to take until `exited` returned."""

    def __init__(self, launch: Launch, siblings: set[int]) -> None:
        """Spawn it. Raises OSError when that fails; the successful exec is confirmed (Popen waits for it).

        `siblings` are the pids of all children whose statuses somebody waits for; this one joins them.
        """
        with contextlib.ExitStack() as opened:
            stdin = opened.enter_context(_readable(launch.stdin))
            self.stdout, stdout = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            opened.callback(os.close, stdout)
            on_failure = opened.enter_context(contextlib.ExitStack())
            on_failure.callback(os.close, self.stdout)
            self.stderr, stderr = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            opened.callback(os.close, stderr)
            on_failure.callback(os.close, self.stderr)
            # Only our ends are to be non-blocking: a program does not expect EAGAIN from its own output.
            os.set_blocking(stdout, True)
            os.set_blocking(stderr, True)
            self._popen = subprocess.Popen(
                launch.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={**launch.env, containment.MARKER: launch.marker},
                cwd=launch.cwd,
                start_new_session=True,
            )
            self.pid = self._popen.pid
            self._handle = self._pidfd()
            on_failure.pop_all()
        self._popen.returncode = 0  # Popen must never wait for it: we reap it ourselves.
        self._marker = launch.marker
        self._code: int | None = None
        self._siblings = siblings
        siblings.add(self.pid)

    def _pidfd(self) -> int:
        """Raises OSError, and leaves no process behind, when there is no descriptor to be had."""
        try:
            return os.pidfd_open(self.pid)
        except OSError:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()
            raise

    def has_ended(self) -> bool:
        """Whether it has ended by now, reaped or not."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return self._code is not None or os.waitid(os.P_PIDFD, self._handle, flags) is not None

    def signal(self, number: signal.Signals) -> None:
        """Send to its process group, as long as that is certainly its own."""
        if self._code is None:
            # One that became another user's is out of our reach.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    async def exited(self) -> int:
        """Wait for its end, as subprocess tells it: the exit status, or the signal negated."""
        if self._code is None:
            await anyio.wait_readable(self._handle)
            self._code = self._reap()
        return self._code

    def _reap(self) -> int:
        # As a zombie it still holds its number, so the group cannot be anybody else's yet.
        self.signal(signal.SIGKILL)
        result = os.waitid(os.P_PIDFD, self._handle, os.WEXITED)
        os.close(self._handle)
        self._siblings.discard(self.pid)
        containment.reap_adopted(self._siblings)
        assert result is not None
        return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status

    async def clear(self) -> None:
        """Kill what its life left behind, until nothing is left."""
        pause = LOOK_AGAIN
        while containment.has_adopted(self._siblings) and (
            left := containment.remains(self.pid, self._marker)
        ):
            for stat in left:
                containment.kill(stat)
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            containment.reap_adopted(self._siblings)

    def kill(self) -> None:
        """SIGKILL to everything of this life."""
        self.signal(signal.SIGKILL)
        for stat in containment.remains(self.pid, self._marker):
            containment.kill(stat)


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[int]:
    """A descriptor that `content` can be read from: a file in memory, so that nobody waits for a reader."""
    if not content:
        yield subprocess.DEVNULL
        return
    file = os.memfd_create("launch", os.MFD_CLOEXEC)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)

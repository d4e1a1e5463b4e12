"""The daemon's side of its guardian: it is started before the first child, and again should it die."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys

import anyio
import structlog
from anyio.abc import TaskStatus

from gleitzeitd.processes.containment import guardian
from gleitzeitd.processes.containment.marker import own_start
from gleitzeitd.processes.containment.record import Record

log = structlog.get_logger("gleitzeitd")
FIRST_PAUSE = 0.1
"""Seconds until a guardian that died is replaced; the pauses double."""
LONGEST_PAUSE = 60.0
STARTING = 5.0
"""Seconds that a guardian may take to be ready; what is spawned later is guarded all the same then."""
GOODBYE = 2.0
"""Seconds that a guardian may take to go after the farewell."""


async def guard(
    record: Record, siblings: set[int], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Have a guardian until cancelled: that is the daemon's orderly end, at which nothing may be alive.

    `siblings` as for Child: it is one of the daemon's children, and nobody's stray.
    """
    now = _begun(record, siblings)
    pause = FIRST_PAUSE
    try:
        if now is not None:
            await now.ready()
        task_status.started()
        while True:
            if now is not None:
                await now.ended()
                log.warning("the guardian died", pid=now.pid)
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            now = _begun(record, siblings)
    finally:
        if now is not None:
            with anyio.move_on_after(GOODBYE, shield=True):
                await now.dismiss()


class Guardian:
    """One guardian process, and the socket by whose end it knows of ours."""

    def __init__(self, record: Record, siblings: set[int]) -> None:
        """Raises OSError."""
        self._socket, its = socket.socketpair()
        who = (str(os.getpid()), str(own_start()), str(record.path), str(record.cgroups or ""))
        with its, contextlib.ExitStack() as on_failure:
            # Without our end, whatever was started is told of it, sees that we live, and goes.
            on_failure.enter_context(self._socket)
            self._popen = subprocess.Popen(
                (sys.executable, "-I", "-S", guardian.__file__, *who),
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
            self.pid = self._popen.pid
            self._handle = os.pidfd_open(self.pid)
            on_failure.pop_all()
        self._siblings = siblings
        self._is_over = False
        siblings.add(self.pid)

    async def ready(self) -> None:
        """Wait until no signal can end it."""
        with anyio.move_on_after(STARTING):
            await anyio.wait_readable(self._socket)
            self._socket.recv(1)

    async def ended(self) -> None:
        """Wait for its end, and reap it."""
        if not self._is_over:
            await anyio.wait_readable(self._handle)
            self._is_over = True
            self._popen.wait()
            self._siblings.discard(self.pid)
            os.close(self._handle)
            self._socket.close()

    async def dismiss(self) -> None:
        """Tell it that nothing is left to be guarded, and wait until it went."""
        if not self._is_over:
            # It may just have died.
            with contextlib.suppress(OSError):
                self._socket.send(guardian.FAREWELL)
            await self.ended()


def _begun(record: Record, siblings: set[int]) -> Guardian | None:
    try:
        return Guardian(record, siblings)
    except OSError as exc:
        log.warning("the guardian cannot be started", error=exc.strerror)
        return None

"""The daemon's side of its guardian: it is started before the first child, and again should it die."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import anyio
import structlog
from anyio.abc import TaskStatus

from gleitzeitd.processes.containment import guardian, strays
from gleitzeitd.processes.containment.marker import own_start
from gleitzeitd.processes.containment.nursery import Nursery
from gleitzeitd.processes.containment.record import Record
from gleitzeitd.processes.environment import helper_environment

log = structlog.get_logger("gleitzeitd")
FIRST_PAUSE = 0.1
"""Seconds until a guardian that died is replaced; the pauses double."""
LONGEST_PAUSE = 60.0
"""One that lived longer is replaced as fast as the first."""
LOOK_AGAIN = 0.01
STARTING = 5.0
"""Seconds that a guardian may take to be ready; what is spawned later is guarded all the same then."""
GOODBYE = 2.0
"""Seconds that a guardian may take to go after the farewell."""


async def guard(
    record: Record,
    siblings: set[int],
    nursery: Nursery | None = None,
    is_clear: Callable[[], bool] = lambda: True,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Have a guardian until cancelled: that is the daemon's orderly end.

    `siblings` as for Child: it is one of the daemon's children, and nobody's stray. `nursery`: where a
    child may just be placed, and the guardian must not be taken for what that one started. `is_clear` is
    asked at the end: when something is left, the guardian ends it as soon as the daemon is dead.
    """
    now = await _begun(record, siblings, nursery)
    pause = FIRST_PAUSE
    try:
        if now is not None:
            await now.ready()
        task_status.started()
        while True:
            began = anyio.current_time()
            if now is not None:
                await now.ended()
                log.warning("the guardian died", pid=now.pid)
            if anyio.current_time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            now = await _begun(record, siblings, nursery)
    finally:
        if now is not None:
            await _part(now, is_clear)


async def _part(now: Guardian, is_clear: Callable[[], bool]) -> None:
    if not is_clear():
        return now.leave()
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
                env=helper_environment(os.environ),
                start_new_session=True,
            )
            on_failure.callback(self._popen.wait)
            on_failure.callback(self._popen.kill)
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
            # One that is traced is told to its tracer first, who may be stopped.
            while self._popen.poll() is None:  # noqa: ASYNC110 - nobody tells when
                await anyio.sleep(LOOK_AGAIN)
            self._is_over = True
            self._siblings.discard(self.pid)
            self._close()
            strays.reap_adopted(self._siblings)

    def _close(self) -> None:
        os.close(self._handle)
        self._socket.close()

    async def dismiss(self) -> None:
        """Tell it that nothing is left to be guarded, and wait until it went."""
        if not self._is_over:
            # It may just have died.
            with contextlib.suppress(OSError):
                self._socket.send(guardian.FAREWELL)
            await self.ended()

    def leave(self) -> None:
        """Without a farewell, as when the daemon is killed: it then waits for our death."""
        if not self._is_over:
            self._is_over = True
            self._popen.returncode = 0  # Popen must not miss it: it outlives us.
            self._close()


async def _begun(record: Record, siblings: set[int], nursery: Nursery | None) -> Guardian | None:
    while nursery is not None and not nursery.is_settled:  # noqa: ASYNC110 - it settles in a thread
        await anyio.sleep(LOOK_AGAIN)
    try:
        return Guardian(record, siblings)
    except OSError as exc:
        log.warning("the guardian cannot be started", error=exc.strerror)
        return None

"""The deaths of processes: those that we cause, and those that we wait for.

A process is only ever killed here when it is a child of the benchmarks: its comm is `tick`.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from benchmarks.proc import is_tick


def kill_tick(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """A signal to `pid` if it is a child of the benchmarks, and to nothing else."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(pid)
        try:
            if is_tick(pid):
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def gone(pids: Iterable[int], timeout: float) -> bool:
    """Wait until none of `pids` lives; False when one still does after `timeout`."""
    with watched(pids) as deaths:
        return deaths.wait(timeout)


class Deaths:
    """Those of processes that need not be children of ours."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._living: set[int] = set()
        self._poll = select.poll()
        for pid in pids:
            with suppress(ProcessLookupError):
                handle = os.pidfd_open(pid)
                self._living.add(handle)
                self._poll.register(handle, select.POLLIN)

    def wait(self, timeout: float) -> bool:
        """Until all are dead; False when one still lives after `timeout`."""
        deadline = time.monotonic() + timeout
        while self._living and (rest := deadline - time.monotonic()) > 0:
            for handle, _ in self._poll.poll(rest * 1000):
                self._forget(handle)
        return not self._living

    def close(self) -> None:
        for handle in tuple(self._living):
            self._forget(handle)

    def _forget(self, handle: int) -> None:
        self._poll.unregister(handle)
        self._living.discard(handle)
        os.close(handle)


@contextmanager
def watched(pids: Iterable[int]) -> Iterator[Deaths]:
    """The deaths of `pids`, watched from now on: whoever gets such a number later is not meant."""
    deaths = Deaths(pids)
    try:
        yield deaths
    finally:
        deaths.close()

"""The one thread that writes what all instances print, so that the loop never waits for a disk.

A second one compresses, with what the processors have left over. Neither holds up the end of the daemon.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable

import structlog

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs.archive import Packing
from gleitzeitd.processes.logs.backlog import Progress
from gleitzeitd.processes.logs.sink import Sink

log = structlog.get_logger("gleitzeitd")
Job = Callable[[], None]
Between = Callable[[], float | None]
LEFT_OVER = 10
"""The nice value of the thread that compresses."""


class Worker:
    """A thread that does one job after the other. It begins with the first at the latest."""

    def __init__(self, name: str, nice: int = 0, between: Between = lambda: None) -> None:
        """`between` is called between jobs, and again after the seconds that it answers with."""
        self._jobs = queue.SimpleQueue[Job]()
        self._nice = nice
        self._between = between
        self._start = threading.Lock()
        self._name = name
        self._thread: threading.Thread | None = None

    def put(self, job: Job) -> bool:
        """False when there are too many threads for one more: the job is not done."""
        try:
            self.begin()
        except RuntimeError:
            return False
        self._jobs.put(job)
        return True

    def begin(self) -> None:
        """Have the thread. Raises RuntimeError when there are too many."""
        with self._start:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    @property
    def is_there(self) -> bool:
        return self._thread is None or self._thread.is_alive()

    def _run(self) -> None:
        if self._nice:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        while True:
            try:
                with contextlib.suppress(queue.Empty):
                    self._jobs.get(timeout=self._between())()
            except Exception as exc:  # One instance's mistake must not end the output of all.
                # Where it is said there may be no room either.
                with contextlib.suppress(Exception):
                    log.error("output failed", error=f"{type(exc).__name__}: {exc}")


class Writer:
    """Writes for any number of instances, in turns."""

    def __init__(self) -> None:
        self._writing = Worker("output", between=self._ask_again)
        self._packing = Worker("gzip", LEFT_OVER)
        self._progress = Progress()
        self._refused = set[Sink]()
        self._is_late = False

    def begin(self) -> None:
        """Have the threads before they are scarce: children that need many may leave none for us."""
        self._writing.begin()
        self._packing.begin()

    @property
    def is_there(self) -> bool:
        """Whether there is a thread that writes, or nothing was to be written yet."""
        return self._writing.is_there

    def sink(self, instance: str, path: str, logs: Logs) -> Sink:
        def wake() -> bool:
            return self._writing.put(work)

        def work() -> None:
            self._work(sink)

        def pack(packing: Packing) -> None:
            if not self._packing.put(lambda: self._pack(sink, packing)):
                self._publish(sink, packing, is_complete=False)

        sink = Sink(instance, path, logs, wake, pack, self._progress)
        return sink

    def close(self, sink: Sink, timeout: float) -> bool:
        """Write what is left and close the file. False when that takes too long: the next waits no more."""
        sink.backlog.put_close()
        self._is_late = not sink.backlog.wait(0 if self._is_late else timeout)
        return not self._is_late

    def _work(self, sink: Sink) -> None:
        goes_on = True
        try:
            goes_on = sink.work()
        finally:
            (self._refused.discard if sink.retry is None else self._refused.add)(sink)
            self._is_late = False
            if goes_on:
                self._writing.put(lambda: self._work(sink))

    def _pack(self, sink: Sink, packing: Packing) -> None:
        is_complete = False
        try:
            is_complete = packing.run()
        finally:
            self._publish(sink, packing, is_complete)

    def _publish(self, sink: Sink, packing: Packing, is_complete: bool) -> None:
        self._writing.put(lambda: sink.archive.publish(packing, is_complete))

    def _ask_again(self) -> float | None:
        """Work for those whose disk refused, at their time; the seconds until the next time."""
        now = time.monotonic()
        for sink in tuple(self._refused):
            if sink.retry is not None and sink.retry <= now:
                self._work(sink)
        times = [sink.retry for sink in self._refused if sink.retry is not None]
        return max(0.0, min(times) - time.monotonic()) if times else None


WRITER = Writer()
"""Of this process: its threads start with the supervisor, or with the first byte that is to be written."""

"""An outside observer: while a test runs it looks at /proc and at what the daemon says, and compares.

Two threads, since a daemon that does not answer must not keep anybody from looking. What was wrong is
collected, and raised when the test is over.

It looks every 20 ms: what is born and dies between two looks is not seen. A grandchild that clears its
environment is known by its parent alone; if it is orphaned before the next look, it is nobody's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from gleitzeitctl.complaint import Complaint
from tests.house import House, eventually
from tests.invariants import INSISTENCE, Bounds, Judge, Report, Told
from tests.sightings import Sighting, Sweep, Sweeper

LOOK_EVERY = 0.02
ASK_EVERY = 0.05
PATIENCE = 5.0
"""Seconds after which a question to a daemon that stands still is given up, and asked anew."""


class Observer:
    """Looks until told to stop."""

    def __init__(self, house: House, bounds: Bounds) -> None:
        self._house = house
        self._judge = Judge(bounds)
        self._sweeper = Sweeper()
        self._daemons: set[int] = set()
        self._latest: Sweep | None = None
        self._reports = 0
        self._answered = 0.0
        self._lock = threading.Lock()
        self._enough = threading.Event()
        self._broken: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._repeat, args=job, daemon=True)
            for job in ((self._look, LOOK_EVERY), (self._ask, ASK_EVERY))
        ]

    @property
    def states(self) -> Mapping[str, set[str]]:
        """Every state in which each instance was ever reported."""
        return self._judge.states

    def alive(self) -> list[Sighting]:
        """What lives of the daemon's instances, as of the latest look."""
        sweep = self._latest
        return sorted(sweep.alive, key=lambda one: one.identity) if sweep else []

    def wrong(self) -> list[str]:
        """What was wrong so far."""
        with self._lock:
            return self._judge.verdict()

    def clear_away(self) -> None:
        """Kill what dead daemons left: a test that fails is to leave nothing behind either."""
        running = {self._house.daemon.pid} if self._house.daemon.poll() is None else set()
        left = self._sweeper.sweep(None, self._daemons - running).alive
        for sighting in left:
            sighting.kill()
        eventually(lambda: not any(sighting.is_alive() for sighting in left))

    def conclude(self) -> None:
        """Look on until what it suspects in the end is certain, or is none."""
        enough = self._reports + INSISTENCE + 1
        eventually(
            lambda: self._reports >= enough or self._broken or self._house.daemon.poll() is not None,
            "the daemon answers the observer",
        )

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> list[str]:
        """Look no longer. What was wrong, as sentences."""
        self._enough.set()
        for thread in self._threads:
            thread.join()
        if self._broken:
            raise ExceptionGroup("the observer itself failed", self._broken)
        return self._judge.verdict()

    @property
    def has_seen(self) -> bool:
        """Whether it ever saw a process of this daemon's; else it looked at the wrong thing."""
        return self._judge.has_seen

    def _repeat(self, job: Callable[[], None], every: float) -> None:
        try:
            while not self._enough.wait(every):
                job()
        except Exception as exc:  # whatever it is, the test shows it
            self._broken.append(exc)

    def _look(self) -> None:
        daemon = self._daemon()
        if daemon is not None:
            self._daemons.add(daemon)
        sweep = self._sweeper.sweep(daemon, self._daemons)
        with self._lock:
            self._latest = sweep
            self._judge.sweep(sweep)

    def _ask(self) -> None:
        if self._latest is None or self._latest.began < self._answered:
            return  # There is nothing yet to compare an answer with: a look may take long.
        asked = time.monotonic()
        try:
            answer = self._house.client.get("/v1/status", patience=PATIENCE)
        except Complaint:
            return  # It may be dead or stopped by the test's wish; nothing was said.
        told = [Told.of(view) for view in answer["instances"] if view["kind"] != "external"]
        report = Report(answer["daemon"]["pid"], asked, time.monotonic(), {one.name: one for one in told})
        with self._lock:
            self._judge.report(report)
            self._reports += 1
        self._answered = report.answered

    def _daemon(self) -> int | None:
        return self._house.daemon.pid if hasattr(self._house, "daemon") else None


@contextmanager
def observed(house: House, bounds: Bounds | None = None) -> Iterator[Observer]:
    """Observe until the end of the block. Raises AssertionError with all that was wrong."""
    observer = Observer(house, bounds or Bounds())
    observer.start()
    try:
        yield observer
        observer.conclude()
    except BaseException as failure:
        for sentence in observer.stop():
            failure.add_note(f"the observer: {sentence}")
        raise
    else:
        wrong = observer.stop()
    finally:
        observer.clear_away()
    if wrong:
        raise AssertionError("the observer saw:\n" + "\n".join(wrong))
    assert observer.has_seen, "the observer saw no process of this daemon: it looked at the wrong thing"

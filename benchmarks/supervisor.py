"""What the benchmarks ask of any supervisor, and a house in which one runs and is surely ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.births import Birth, Births, tick
from benchmarks.ending import ending
from benchmarks.proc import gone, kill_tick, ticks

SETTLE = 1.5
"""Seconds a child has lived when it is first killed: all of our peers then call it up, and so do we."""

PATIENCE = 20.0
FOREIGN = ("GLEITZEIT_", "PM2_", "SUPERVISOR_", "RUNTIME_DIRECTORY", "PYTHONDONTWRITEBYTECODE")


class Supervisor(ABC):
    """One supervisor with its default settings, in a home directory of its own."""

    name: ClassVar[str]
    period: ClassVar[float]
    """Seconds between two polls, if it polls: kills are spread evenly over it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def is_available(cls) -> bool:
        return True

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """The version of the supervisor, with its name."""

    @abstractmethod
    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        """Write the configuration for these commands."""

    @abstractmethod
    def start_command(self) -> list[str]: ...

    @abstractmethod
    def status_command(self) -> list[str]: ...

    def env(self) -> dict[str, str]:
        return {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}

    def start(self) -> int:
        """Start it; the moment just before, in nanoseconds of CLOCK_MONOTONIC."""
        with open(self.home / "out", "wb") as out:
            began = time.monotonic_ns()
            # its own session: a Ctrl-C at the benchmarks reaches it through us, in order
            self.process = subprocess.Popen(
                self.start_command(),
                env=self.env(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return began

    def roots(self) -> list[int]:
        """The processes that everything else of it descends from."""
        return [self.process.pid] if self.process and self.process.poll() is None else []

    def stop(self) -> None:
        """End it the way its users do; by force when that does not help."""
        if not self.process:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return (self.home / "out").read_text(errors="replace")[-2000:]


@dataclass(frozen=True)
class House:
    """A supervisor that runs its children."""

    supervisor: Supervisor
    births: Births
    began: int
    born: dict[str, Birth]


@contextmanager
def home() -> Iterator[Path]:
    """A directory that is removed in the end; its path is short, as sockets lie in it."""
    folder = Path(tempfile.mkdtemp(prefix="gz-"))
    try:
        yield folder
    finally:
        with ending.waits():
            shutil.rmtree(folder, ignore_errors=True)
            if folder.exists():  # a supervisor was still writing a last line
                time.sleep(0.5)
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def house(kind: type[Supervisor], count: int) -> Iterator[House]:
    """A supervisor of this kind with `count` trivial children that all run; nothing of it is left."""
    with home() as folder:
        supervisor, births = kind(folder), Births(folder / "births")
        names = [f"c{number}" for number in range(count)]
        supervisor.configure({name: [str(tick()), str(folder / "births"), name] for name in names})
        try:
            began = supervisor.start()
            born = births.wait(names, timeout=60)
            if len(born) < count:
                raise SystemExit(f"{kind.name} started {len(born)} of {count} children\n{supervisor.said()}")
            yield House(supervisor, births, began, born)
        finally:
            with ending.waits():
                left = {*ticks(supervisor.roots()), *(birth.pid for birth in births.seen)}
                supervisor.stop()
                if not gone(left, timeout=15):
                    for pid in left:
                        kill_tick(pid)
                births.close()

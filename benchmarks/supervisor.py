"""What the benchmarks ask of any supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

PATIENCE = 20.0
FOREIGN = ("GLEITZEIT_", "PM2_", "SUPERVISOR_", "RUNTIME_DIRECTORY", "PYTHONDONTWRITEBYTECODE")
ROTATED_AT = 20 * 1024 * 1024
"""Bytes of one log file, with those that rotate."""
ROTATED = 60
"""Full log files that are kept: more than any measure prints."""


@dataclass(frozen=True)
class Settings:
    """What a measure sets for all alike; everything else is as it comes out of the box."""

    prompt: bool = False
    """What ends is started again as soon as this one can, and without a limit."""
    keep_logs: bool = False
    """All output is kept in files, rotated where there is rotation."""
    grace: int | None = None
    """Seconds from SIGTERM to SIGKILL."""


DEFAULTS = Settings()


class Supervisor(ABC):
    """One supervisor in a home directory of its own."""

    name: ClassVar[str]
    period: ClassVar[float]
    """Seconds between two polls, if it polls: kills are spread evenly over it."""

    def __init__(self, home: Path, settings: Settings = DEFAULTS) -> None:
        self.home = home
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.saved = 0
        """The moment just before the last save, in nanoseconds of CLOCK_MONOTONIC."""

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

    @abstractmethod
    def stop_command(self) -> list[str]:
        """Stops all children and waits for it; the supervisor goes on."""

    def follow_command(self, name: str) -> list[str] | None:
        """Shows what a child prints, until it is ended; None where there is no such command."""
        return None

    def reload_command(self) -> list[str] | None:
        """Has it take over what its configuration now says; None where there is no such command."""
        return None

    def ask_status(self) -> bool:
        """Ask its socket once what its status command asks; False where only the command can."""
        return False

    def log(self, name: str) -> Path:
        """The file that a child's output goes to now."""
        return self.home / f"{name}.log"

    def save(self, path: Path, text: str) -> None:
        """Write its configuration as editors do: whole, and in the old one's place at once."""
        new = path.with_name(f".{path.name}.new")
        new.write_text(text)
        self.saved = time.monotonic_ns()
        new.rename(path)

    def env(self) -> dict[str, str]:
        return {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}

    def start(self) -> int:
        """Start it; the moment just before, in nanoseconds of CLOCK_MONOTONIC."""
        began = time.monotonic_ns()
        with open(self.home / "out", "wb") as out:
            self.process = self.spawn(self.start_command(), out.fileno())
        return began

    def spawn(self, argv: Sequence[str], out: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """One of its programs, in its home."""
        # its own session: a Ctrl-C at the benchmarks reaches it through us, in order
        return subprocess.Popen(
            argv,
            env=self.env(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def roots(self) -> list[int]:
        """The processes that everything else of it descends from."""
        return [self.process.pid] if self.process and self.process.poll() is None else []

    def end(self) -> None:
        """Ask it to end, the way its users do, without waiting for it."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)

    def stop(self) -> None:
        """End it; by force when asking does not help."""
        if not self.process:
            return
        self.end()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self) -> str:
        return (self.home / "out").read_text(errors="replace")[-2000:]

"""What the benchmarks ask of any supervisor."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.server import Server

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


class Supervisor(Server):
    """One supervisor in a home directory of its own."""

    period: ClassVar[float]
    """Seconds between two polls, if it polls: kills are spread evenly over it."""

    def __init__(self, home: Path, settings: Settings = DEFAULTS) -> None:
        super().__init__(home)
        self.settings = settings
        self.saved = 0
        """The moment just before the last save, in nanoseconds of CLOCK_MONOTONIC."""

    @abstractmethod
    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        """Write the configuration for these commands."""

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

"""A program that is measured: a daemon in a home directory of its own, started and surely ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

PATIENCE = 20.0
FOREIGN = ("GLEITZEIT_", "PM2_", "SUPERVISOR_", "LITELLM_", "RUNTIME_DIRECTORY", "PYTHONDONTWRITEBYTECODE")


class Server(ABC):
    name: ClassVar[str]

    def __init__(self, home: Path) -> None:
        self.home = home
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def is_available(cls) -> bool:
        return True

    @classmethod
    @abstractmethod
    def version(cls) -> str:
        """The version of the program, with its name."""

    @abstractmethod
    def start_command(self) -> list[str]: ...

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

"""Where somebody sits who reads a page: a directory, a shell, and a daemon once it is started."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.house import PATIENCE, House
from tests.warm import warm

OF_A_SHELL = set("|&;<>$`")
PROGRAMS = Path(sys.executable).parent
OURS_ALONE = "-p no:hypothesispytest -p no:xdist -p no:timeout"
"""Leaves out the plugins of these tests; to import them takes as long as all the rest of a short run."""


@dataclass(frozen=True)
class Typed:
    """What became of a command: its exit status, and what the terminal showed."""

    status: int
    shown: str


def own_address() -> str:
    """A loopback address of this test process alone, so that the port may be the one that pages show."""
    pid = os.getpid()
    return f"127.{1 + (pid >> 16) % 254}.{pid >> 8 & 255}.{pid & 255}"


class Desk(House):
    """A house in which commands are typed; its files are written by the reader."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "", foreground=False)
        self.config.unlink()
        self.url = f"http://{own_address()}:8000"
        # pytest-asyncio would warn of what only a reader who uses it has to decide; the others no reader has.
        self.environment["PYTEST_ADDOPTS"] = f"-o asyncio_default_fixture_loop_scope=function {OURS_ALONE}"
        self.environment["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"

    def type(self, line: str) -> Typed:
        """One line of a shell, to its end; `serve` until the daemon is ready, and again: what it said."""
        words = shlex.split(line, comments=True)
        if words[:2] == ["gleitzeit", "serve"]:
            if not hasattr(self, "daemon"):
                self.serving = words
                self.start()
            return Typed(0, self.said())
        if words[0] == "gleitzeit" and not OF_A_SHELL & set(line):
            return self._gleitzeit(words[1:])
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        return Typed(done.returncode, done.stdout)

    def _gleitzeit(self, args: list[str]) -> Typed:
        with open(os.memfd_create("shown"), "w+b") as shown:
            out = shown.fileno()
            status = warm().start("gleitzeitctl", args, self.root, self.environment, out, out).wait(PATIENCE)
            shown.seek(0)
            # It was started by its other name.
            return Typed(status, re.sub("^gleitzeitctl(?=: )", "gleitzeit", shown.read().decode()))

    def _started(self, printed: int) -> subprocess.Popen[bytes]:
        # A process of its own, since what it runs is to find modules as it would for a reader.
        return subprocess.Popen(
            self.serving,
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )


@contextmanager
def desk(root: Path, files: Mapping[str, str] | None = None) -> Iterator[Desk]:
    """Such a place with these files. At the end its daemon, if any, is stopped, and has left nothing."""
    sat_at = Desk(root)
    for name, text in (files or {}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    try:
        yield sat_at
    finally:
        if hasattr(sat_at, "daemon"):
            sat_at.end()
            assert sat_at.left_behind() == []

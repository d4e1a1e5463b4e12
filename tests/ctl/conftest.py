"""A fake daemon, and the command line pointed at it: a fork of a warm process, or a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ctl.fake_daemon import FakeDaemon, fake_daemon
from tests.warm import ROOT, run

MODULE = ("-m", "gleitzeitctl")
OURS = ("GLEITZEIT", "NO_COLOR", "PYTHON", "COVERAGE")


@dataclass(frozen=True)
class Ctl:
    """`gleitzeitctl`, run to its end."""

    socket: str

    def __call__(self, *args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return run("gleitzeitctl", args, Path(self.socket).parent, self.environment() | (env or {}))

    def alone(
        self, *args: str, env: dict[str, str] | None = None, run: Sequence[str] = MODULE
    ) -> subprocess.CompletedProcess[str]:
        """As a process of its own, from the first import on."""
        with self.started(*args, env=env, run=run) as process:
            out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(args, process.returncode, out, err)

    def started(
        self,
        *args: str,
        env: dict[str, str] | None = None,
        run: Sequence[str] = MODULE,
        stdout: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *run, *args],
            cwd=Path(self.socket).parent,
            env=self.environment() | (env or {}),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        return kept | {"GLEITZEIT_SOCKET": self.socket, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    with fake_daemon(tmp_path) as daemon:
        yield daemon


@pytest.fixture
def ctl(daemon: FakeDaemon) -> Ctl:
    return Ctl(daemon.path)

"""Children as the daemon has them, with cgroups and without, and what is left of them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import pytest

from gleitzeitd.processes.child import Child, Launch
from gleitzeitd.processes.containment import cgroup, strays
from gleitzeitd.processes.containment.enclosure import Enclosure
from gleitzeitd.processes.containment.nursery import Nursery

ENVIRONMENT = {"PATH": os.environ["PATH"]}


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", script)


@contextlib.contextmanager
def nursery() -> Iterator[Nursery]:
    """Skips the test where no cgroups may be made. At the end it has to be empty."""
    try:
        made = Nursery()
    except cgroup.Unavailable as exc:
        pytest.skip(f"needs cgroup v2 and the right to make cgroups: {exc}")
    try:
        yield made
    finally:
        left = [path.name for path in made.path.iterdir() if path.is_dir()]
        made.close()
        assert left == []
        assert not made.path.exists()


@contextlib.asynccontextmanager
async def lives(
    launch: Launch, enclosure: Enclosure | None = None, siblings: set[int] | None = None
) -> AsyncIterator[Child]:
    """A child that is killed at the end, with everything of it, within a deadline."""
    siblings = set() if siblings is None else siblings
    child = Child(launch, siblings, enclosure or Enclosure())
    try:
        yield child
    finally:
        child.kill()
        with anyio.fail_after(20, shield=True):
            await child.exited()
            await child.clear()
        for descriptor in (child.stdout, child.stderr):
            os.close(descriptor)


def alive(pid: int) -> bool:
    stat = strays.Stat.of(pid)
    return stat is not None and stat.is_alive


def numbers(path: Path) -> list[int]:
    """The pids that a child wrote into a file, one a line."""
    return [int(line) for line in path.read_text().split("\n")[:-1]] if path.exists() else []

"""A root for the data provider with a few files, and the processes that work on its statements."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENDLESS = "SELECT count(*) FROM range(10000000000) a, range(100) b"


def filled(directory: Path) -> Path:
    """A root with a few files; beside it is what is nobody's business."""
    root = directory / "root"
    (root / "deep").mkdir(parents=True)
    (root / "sales.csv").write_text("city,amount\nBerlin,1.5\nParis,2\n")
    (root / "deep/more.csv").write_text("city,amount\nRome,3\n")
    (root / "notes.txt").write_text("no data")
    outside = directory / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("word\nsesame\n")
    (directory / "sales.csv").write_text("word\nsesame\n")
    return root


def linked(directory: Path) -> Path:
    """Such a root in which links lead out."""
    root = filled(directory)
    (root / "link").symlink_to("../outside")
    (root / "secret.csv").symlink_to("../outside/secret.csv")
    return root


def beneath(place: Path) -> list[str]:
    return sorted(str(path) for path in place.rglob("*"))


def workers(parent: int | None = None) -> list[int]:
    """Children of ours that work on a statement."""
    pid = parent or os.getpid()
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return [child for child in children if is_running(child) and _has_begun(child)]


def _has_begun(pid: int) -> bool:
    """DuckDB has threads of its own as soon as it has been told what to do."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_running(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"data_worker.py" in command


async def until(fact: Callable[[], Any]) -> None:
    ends = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)

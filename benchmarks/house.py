"""A house in which one supervisor runs, and is surely ended."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.births import Birth, Births, tick
from benchmarks.deaths import gone, kill_tick
from benchmarks.ending import ending
from benchmarks.proc import is_tick, ticks
from benchmarks.supervisor import DEFAULTS, Settings, Supervisor

SETTLE = 1.5
"""Seconds a child has lived when it is first killed: all of our peers then call it up, and so do we."""

Children = Mapping[str, Sequence[str]]
"""What each child is told to do beside saying that it was born."""


def sleepers(count: int) -> Children:
    """So many children that do nothing."""
    return {f"c{number}": () for number in range(count)}


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
def house(kind: type[Supervisor], children: Children, settings: Settings = DEFAULTS) -> Iterator[House]:
    """A supervisor of this kind with children that all run; nothing of it is left."""
    with home() as folder:
        supervisor, births = kind(folder, settings), Births(folder / "births")
        child = [str(tick()), str(folder / "births")]
        supervisor.configure({name: [*child, name, *orders] for name, orders in children.items()})
        try:
            began = supervisor.start()
            born = births.wait(children, timeout=60)
            if len(born) < len(children):
                raise SystemExit(
                    f"{kind.name} started {len(born)} of {len(children)} children\n{supervisor.said()}"
                )
            yield House(supervisor, births, began, born)
        finally:
            with ending.waits():
                births.read(0)
                known = {*ticks(supervisor.roots()), *(birth.pid for birth in births.seen)}
                left = [pid for pid in known if is_tick(pid)]
                supervisor.stop()
                if not gone(left, timeout=15):
                    for pid in left:
                        kill_tick(pid)
                births.close()

"""What holds all children of one daemon together: their cgroups, the record of them, what they inherit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from gleitzeitd.core.errors import OccupiedError
from gleitzeitd.core.spec import Spec
from gleitzeitd.processes.containment import descriptors, limits
from gleitzeitd.processes.containment.cgroup import Unavailable
from gleitzeitd.processes.containment.nursery import Nursery
from gleitzeitd.processes.containment.record import Record

log = structlog.get_logger("gleitzeitd")


@dataclass(frozen=True, slots=True)
class Enclosure:
    nursery: Nursery | None = None
    """None: we may not make cgroups, and find what a life left by sessions, marks and parents."""
    record: Record | None = None
    nofile: int | None = None
    """The soft limit of open files that children get; None: ours."""
    why_no_cgroups: str = ""

    def enforce(self, specs: Iterable[Spec]) -> None:
        """Have the limits of these kept, and say which cannot be."""
        nursery = self.nursery
        limits.enforce(specs, nursery.path if nursery is not None else None, self.why_no_cgroups)


@contextlib.contextmanager
def enclosure(record: Path, specs: Iterable[Spec]) -> Iterator[Enclosure]:
    """Make it, before the first spawn; nothing may be alive in it at the end. `record` is a path.

    Raises OccupiedError when that cannot be written.
    """
    nursery, why = _nursery()
    with contextlib.ExitStack() as held:
        if nursery is not None:
            held.callback(nursery.close)
        kept = held.enter_context(_record(record, nursery))
        made = Enclosure(nursery, kept, descriptors.raise_own_limit(), why)
        made.enforce(specs)
        yield made


def _record(path: Path, nursery: Nursery | None) -> Record:
    try:
        return Record(path, nursery.path if nursery is not None else None)
    except OSError as exc:
        raise OccupiedError(f"the record of processes {path} cannot be written: {exc.strerror}") from exc


def _nursery() -> tuple[Nursery | None, str]:
    try:
        return Nursery(), ""
    except Unavailable as exc:
        log.info("no cgroups", why=str(exc))
        return None, f"the daemon may not make cgroups: {exc}"

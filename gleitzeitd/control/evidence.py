"""What shows why an instance is not as it was asked to be: what it lacks, and its last words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gleitzeitd.core.process import Process, State
from gleitzeitd.processes.changes import Change
from gleitzeitd.processes.instance import Instance, Role
from gleitzeitd.processes.logs.lines import stamp
from gleitzeitd.processes.recorder import Entry
from gleitzeitd.processes.supervisor import Supervisor

LINES = 10
LONGEST_LINE = 500


def reason_of(process: Process) -> str:
    """Why it is as it is; of one that is coming up, what it lacks."""
    return process.reason or min(process.missing, default="")


def evidence_of(instance: Instance, generation: int) -> list[str]:
    """The last lines that this life of it wrote to stderr, up to its end or so far, oldest first."""
    entries = [entry for entry in instance.recorder.entries() if entry.generation == generation]
    ended = next((entry.evidence for entry in reversed(entries) if entry.evidence), None)
    return _bounded(ended if ended is not None else _said_since(instance, entries))


def evidence_against(change: Change, instances: Iterable[Instance]) -> list[str]:
    """The last lines of the newest life that was begun for this change and has ended."""
    ended = [entry for instance in instances for entry in _ends_since(change.begun, instance)]
    return _bounded(max(ended, key=lambda entry: entry.time).evidence if ended else ())


def pending(change: Change, supervisor: Supervisor) -> str:
    """What a change that is under way waits for."""
    leading = supervisor.of(change.provider)
    beside = [other for one in leading for other in supervisor.beside(one.name) if other.role is Role.COMING]
    for process in (one.process for one in (*beside, *leading)):
        if not process.is_ready and process.wanted:
            why = f": {reason}" if (reason := reason_of(process)) else ""
            return f"generation {process.generation} is {process.state}{why}"
    return ""


def _ends_since(begun: str, instance: Instance) -> list[Entry]:
    """How the lives ended that began since then: what the one before them said is of no interest."""
    since = [entry for entry in instance.recorder.entries() if entry.time.rstrip("Z") >= begun[:23]]
    fresh = {entry.generation for entry in since if entry.state is State.STARTING}
    return [entry for entry in since if entry.evidence and entry.generation in fresh]


def _said_since(instance: Instance, entries: list[Entry]) -> list[str]:
    """What is kept of earlier lives says nothing about this one."""
    begun = entries[0].time.rstrip("Z") if entries else stamp()
    return [record.shown() for record in instance.output.last(LINES, "stderr") if record.time >= begun]


def _bounded(lines: Sequence[str]) -> list[str]:
    return [line[:LONGEST_LINE] for line in lines[-LINES:]]

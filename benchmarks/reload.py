"""One of a hundred children is changed in the file: from the save to the first instruction of its successor.

Peers are told by a command, issued at the save; its own start counts, as it does for their users. Ours is
measured so too, and once more without a command, when it has to see the save by itself. Nobody else may be
started anew.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import cycle
from pathlib import Path

from benchmarks.births import Birth, tick
from benchmarks.ending import ending
from benchmarks.handwritten import Handwritten
from benchmarks.house import SETTLE, Children, House, house, sleepers
from benchmarks.peers import Circus, Supervisord
from benchmarks.stats import Limit, Line, Plan, Row, most, percentile
from benchmarks.supervisor import Supervisor

KINDS: tuple[type[Supervisor], ...] = (Handwritten, Supervisord, Circus)
CHILDREN = 100
DEADLINE = 30.0
COMMAND, SAVE = "command_ms", "save_ms"
FIGURES = (
    ("a changed child, by the save alone, p50", SAVE, 0.5, Limit(250)),
    ("a changed child, by the save alone, p95", SAVE, 0.95, None),
    ("a changed child, by the reload command, p50", COMMAND, 0.5, None),
    ("a changed child, by the reload command, p95", COMMAND, 0.95, None),
)


def measure(plan: Plan) -> Iterator[Row]:
    for turn in plan.turns(full=5):
        for kind in KINDS:
            if plan.wants(kind.name):
                with house(kind, children := sleepers(CHILDREN)) as it:
                    found = reloads(Edits(it, children), plan.size(full=10, quick=3))
                yield {"name": kind.name, "round": turn} | found


def reloads(edits: Edits, count: int) -> Row:
    """Milliseconds of so many reloads in each way, every time of another child."""
    it = edits.it
    ways = (COMMAND, SAVE) if isinstance(it.supervisor, Handwritten) else (COMMAND,)
    took: dict[str, list[float]] = {way: [] for way in ways}
    began = time.monotonic_ns()
    for name, way in zip(random.sample(list(edits.commands), count * len(ways)), cycle(ways), strict=False):
        # a command has to stay alive for a while before the last reload is over
        time.sleep(SETTLE + random.uniform(0.02, it.supervisor.period))
        took[way].append(edits.make(name, is_told=way == COMMAND))
    time.sleep(SETTLE)
    it.births.read(0)
    return {**took, "beside": len(beside(it.births.seen, began, edits.successors))}


class Edits:
    """The file with what was changed in it so far, and who was born of it."""

    def __init__(self, it: House, children: Children) -> None:
        self.it = it
        child = [str(tick()), str(it.supervisor.home / "births")]
        self.commands = {name: [*child, name, *orders] for name, orders in children.items()}
        self.successors: list[Birth] = []

    def make(self, name: str, *, is_told: bool) -> float:
        """Change one child: milliseconds from the save to the first instruction of its successor."""
        it, supervisor, mark = self.it, self.it.supervisor, f"edition-{len(self.successors)}"
        self.commands[name].append(mark)
        supervisor.configure(self.commands)
        with told_to_reload(supervisor) if is_told else nullcontext():
            successor = it.births.wait([name], DEADLINE, since=supervisor.saved).get(name)
            if not successor or mark.encode() not in command_line(successor.pid):
                raise SystemExit(f"{supervisor.name} does not run {name} as changed\n{supervisor.said()}")
        self.successors.append(successor)
        return (successor.ns - supervisor.saved) / 1e6


@contextmanager
def told_to_reload(supervisor: Supervisor) -> Iterator[None]:
    """Its reload command is under way; in the end it has ended well."""
    argv = supervisor.reload_command()
    assert argv, f"{supervisor.name} has no command that reloads"
    command = supervisor.spawn(argv, subprocess.PIPE)
    try:
        yield
        said = command.communicate(timeout=DEADLINE)[0].decode(errors="replace")
    finally:
        with ending.waits():
            command.kill()
            command.wait()
    if command.returncode:
        raise SystemExit(f"{' '.join(argv)} ended with {command.returncode}: {said}")


def command_line(pid: int) -> list[bytes]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def beside(seen: Sequence[Birth], began: int, successors: Sequence[Birth]) -> list[Birth]:
    """The births since `began` that no edit has asked for."""
    return [birth for birth in seen if birth.ns >= began and birth not in successors]


def lines(rows: Sequence[Row]) -> list[Line]:
    ours, peers = Handwritten.name, [kind.name for kind in KINDS[1:]]
    restarted = most(rows, [ours], "beside")
    return [
        *(
            Line(metric, "ms", at(rows, ours, way, share), peer, at(rows, peer, COMMAND, share), goal)
            for metric, way, share, goal in FIGURES
            for peer in peers
        ),
        *(
            Line(
                "restarted beside the changed one",
                "",
                restarted,
                peer,
                most(rows, [peer], "beside"),
                Limit(0),
            )
            for peer in peers
        ),
    ]


def at(rows: Sequence[Row], name: str, way: str, share: float) -> float | None:
    values = [ms for row in rows if row["name"] == name for ms in row.get(way, ())]
    return percentile(values, share) if values else None

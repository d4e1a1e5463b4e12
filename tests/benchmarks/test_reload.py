"""What the benchmark of reloads takes for a reload, and for harm that one has done."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from benchmarks import reload
from benchmarks.births import Birth, Births
from benchmarks.deaths import kill_tick
from benchmarks.house import House
from benchmarks.reload import Edits
from benchmarks.stats import Row
from benchmarks.supervisor import Supervisor

RUNS_THE_FIRST = """
import shlex, subprocess
argv, null = shlex.split(open("commands").readline()), subprocess.DEVNULL
subprocess.Popen(argv, stdout=null, stderr=null)
"""


class Fake(Supervisor):
    """One whose reload command is a line of Python."""

    name = "fake"
    period = 0.0
    line = ""

    @classmethod
    def version(cls) -> str:
        return "fake 1"

    def configure(self, children: Mapping[str, Sequence[str]]) -> None:
        self.save(self.home / "commands", "".join(f"{shlex.join(argv)}\n" for argv in children.values()))

    def start_command(self) -> list[str]:
        raise NotImplementedError

    status_command = stop_command = start_command

    def reload_command(self) -> list[str]:
        return [sys.executable, "-c", self.line]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path)


def test_a_birth_that_no_edit_asked_for_is_harm() -> None:
    first, changed, other, again = (
        Birth(name, pid, pid) for name, pid in (("a", 1), ("a", 11), ("b", 12), ("a", 13))
    )
    assert reload.beside([first, changed], 10, [changed]) == []
    assert reload.beside([first, changed, other, again], 10, [changed]) == [other, again]


def test_an_edit_changes_one_line_of_the_file_and_lasts_until_its_successor_runs(fake: Fake) -> None:
    names = [f"c{number}" for number in range(20)]
    births = Births(fake.home / "births")
    born = {name: Birth(name, 1, 1) for name in reversed(names)}
    edits = Edits(House(fake, births, 0, born), dict.fromkeys(names, ()))
    fake.configure(edits.commands)
    before = (fake.home / "commands").read_text().splitlines()
    fake.line = RUNS_THE_FIRST
    try:
        took = edits.make("c0", is_told=True)
        after = (fake.home / "commands").read_text().splitlines()
    finally:
        births.read(0)
        for successor in births.seen:
            kill_tick(successor.pid)
        births.close()
    assert (before[1:], f"{before[0]} edition-0") == (after[1:], after[0])
    assert [birth.name for birth in edits.successors] == ["c0"]
    assert took == (edits.successors[0].ns - fake.saved) / 1e6 > 0


def test_a_reload_is_over_when_its_command_has_ended(fake: Fake) -> None:
    fake.line = "import time, pathlib; time.sleep(0.2); pathlib.Path('ended').touch()"
    with reload.told_to_reload(fake):
        assert not (fake.home / "ended").exists()
    assert (fake.home / "ended").exists()


def test_a_reload_command_that_fails_ends_the_benchmark_with_what_it_said(fake: Fake) -> None:
    fake.line = "raise SystemExit('the file is bad')"
    with pytest.raises(SystemExit, match="ended with 1: the file is bad"), reload.told_to_reload(fake):
        pass


def test_ours_is_shown_by_the_save_and_by_the_command_beside_the_command_of_each_peer() -> None:
    rows: list[Row] = [{"name": "gleitzeitd", "command_ms": [90.0], "save_ms": [200.0], "beside": 0}]
    rows += [
        {"name": peer, "command_ms": [100.0, 300.0, 400.0], "beside": 0} for peer in ("supervisord", "circus")
    ]
    shown = {(line.metric, line.peer): line for line in reload.lines(rows)}
    by_save = shown["a changed child, by the save alone, p50", "circus"]
    by_command = shown["a changed child, by the reload command, p95", "supervisord"]
    assert (by_save.ours, by_save.theirs, by_save.is_met) == (200.0, 300.0, True)
    assert (by_command.ours, by_command.theirs) == (90.0, 400.0)


def test_one_child_restarted_beside_the_changed_one_in_any_round_misses_the_goal() -> None:
    rows: list[Row] = [{"name": "gleitzeitd", "beside": beside} for beside in (0, 1, 0)]
    rows += [{"name": peer, "beside": 0} for peer in ("supervisord", "circus")]
    harm = [line for line in reload.lines(rows) if line.metric == "restarted beside the changed one"]
    assert [(line.ours, line.is_met) for line in harm] == [(1, False), (1, False)]

"""The providers.yaml that a reload is measured with."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.handwritten import Handwritten, with_edited_comment
from gleitzeitd.config.load import load
from gleitzeitd.core.spec import CommandTarget, House

COMMANDS = {"c0": ("/bin/tick", "births", "c0"), "c1": ("/bin/tick", "births", 'c1 "quoted": # {}')}


@pytest.fixture
def ours(tmp_path: Path) -> Handwritten:
    ours = Handwritten(tmp_path)
    ours.configure(COMMANDS)
    return ours


def targets(house: House) -> dict[str, object]:
    return {spec.name: spec.target for spec in house.specs}


def test_the_file_runs_the_commands_that_it_was_written_for(ours: Handwritten) -> None:
    house = load(str(ours.config))
    assert targets(house) == {name: CommandTarget(argv) for name, argv in COMMANDS.items()}
    assert all(len(spec.env) == 3 for spec in house.specs)


def test_an_edited_comment_changes_the_bytes_and_nothing_that_they_say(ours: Handwritten) -> None:
    text, before = ours.config.read_text(), load(str(ours.config))
    editions = [with_edited_comment(text, number=1, edition=edition) for edition in (0, 1)]
    assert len({text, *editions}) == 3
    ours.save(ours.config, editions[1])
    after = load(str(ours.config))
    assert after.mark != before.mark
    assert replace(after, mark=before.mark, saved_mark=before.saved_mark) == before


def test_a_save_replaces_the_file_at_once_and_leaves_nothing_beside_it(ours: Handwritten) -> None:
    saved = ours.saved
    with ours.config.open() as old:
        text = old.read()
        ours.save(ours.config, "new")
        assert (os.pread(old.fileno(), len(text), 0).decode(), ours.config.read_text()) == (text, "new")
    assert os.listdir(ours.home) == [ours.config.name]
    assert ours.saved > saved

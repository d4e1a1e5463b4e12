"""Each page does what it says: its programs print, and its commands show, what stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.desk import desk
from tests.docs.page import Reader, agree, commands

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["tutorial.md", "testing.md", "extensions.md", "troubleshooting.md"])
def test_what_a_page_shows_is_what_is_shown(name: str, tmp_path: Path) -> None:
    with desk(tmp_path) as sat_at:
        for block, tried in Reader(sat_at).read((ROOT / "docs" / name).read_text()):
            for command, said, shown in tried:
                assert agree(said, shown), f"docs/{name}:{block.line}: {command}\nshows:\n{shown}"


def test_what_varies_is_overlooked_and_nothing_else() -> None:
    row = "calculator  RUNNING  18043  3s      0         0"

    assert agree("calculator RUNNING  7  1h 2m  0   0", row)
    assert not agree("calculator  RUNNING  18043  3s      1         0", row)
    assert agree("12:24:44 echo: running (pid 18044)", "01:02:03 echo: running (pid 1)")
    assert not agree('"result": 8', '"result": 9')
    assert agree("first\n...\nlast", "first\nsecond\nlast")
    assert not agree("first\n...\nlast", "first\nsecond")


def test_a_console_is_read_command_by_command() -> None:
    assert list(commands("$ one\n$ two 2\nshown\nmore\n")) == [("one", ""), ("two 2", "shown\nmore\n")]

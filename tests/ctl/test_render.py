"""How things look to people."""

from __future__ import annotations

import os

import pytest

from gleitzeitctl import render
from gleitzeitctl.render import duration, flat, paint, percent, size, table

HOME = os.terminal_size((20, 24))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout is a terminal, twenty columns wide."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(render, "is_seen", lambda: True)
    monkeypatch.setattr(os, "get_terminal_size", lambda: HOME)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0, "0s"),
        (-3, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (192, "3m 12s"),
        (3600 * 5 + 61, "5h 1m"),
        (86400 * 2 + 5, "2d 5s"),
        (86400 * 400, "400d"),
    ],
)
def test_a_duration_is_its_two_largest_units(seconds: float | None, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("share", "said"), [(None, ""), (0.0, "0.0%"), (0.0994, "9.9%"), (0.0996, "10%"), (1.5, "150%")]
)
def test_a_share_of_a_processor_is_a_percentage(share: float | None, said: str) -> None:
    assert percent(share) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (None, ""),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (41 * 2**20, "41 MiB"),
        (3 * 2**40, "3072 GiB"),
    ],
)
def test_a_size_has_the_unit_that_is_read_best(number: float | None, said: str) -> None:
    assert size(number) == said


def test_a_cell_cannot_move_the_cursor() -> None:
    assert flat("no\n key\x1b[2J\t!") == "no key?[2J !"


def test_a_table_is_aligned_and_leaves_out_what_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    table(("NAME", "PID", "MODELS", "WHY"), [("a", 12, "", "x" * 99), ("longer", None, "", None)])

    assert capsys.readouterr().out.splitlines() == [
        "NAME    PID  WHY",
        f"a       12   {'x' * 99}",
        "longer  -",
    ]


def test_a_table_without_rows_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    table(("NAME",), [])

    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("terminal")
def test_a_table_ends_where_the_terminal_ends(capsys: pytest.CaptureFixture[str]) -> None:
    table(("NAME", "WHY"), [("calculator", "exited with 1")])

    assert capsys.readouterr().out.splitlines() == ["NAME        WHY", "calculator  exited …"]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("state", "painted"),
    [("RUNNING ", "\x1b[32mRUNNING \x1b[0m"), ("FATAL", "\x1b[31mFATAL\x1b[0m"), ("STOPPED", "STOPPED")],
)
def test_a_state_is_coloured_on_a_terminal(state: str, painted: str) -> None:
    assert paint(state) == painted


@pytest.mark.usefixtures("terminal")
def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert paint("RUNNING") == "RUNNING"


def test_nothing_is_coloured_for_a_program() -> None:
    assert paint("RUNNING") == "RUNNING"

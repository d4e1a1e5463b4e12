"""The hash of a config: it changes with every byte that a load would read, and with nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gleitzeitd.config.load import fingerprint, load
from gleitzeitd.core.errors import ConfigError

TEXT = "providers:\n  p: {class: module.Class, config: {a: '${file:secret}', b: '${file:later}'}}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "p.yaml").write_text(TEXT)
    (tmp_path / "secret").write_text("1")
    (tmp_path / "providers.d").mkdir()
    (tmp_path / "providers.d/a.yaml").write_text("providers: {}\n")
    return tmp_path / "p.yaml"


def mark(path: Path) -> bytes:
    return fingerprint(str(path), [str(path.parent / name) for name in ("secret", "later")])


def beside(path: Path, name: str) -> Path:
    return path.parent / "providers.d" / name


CHANGES: dict[str, Callable[[Path], object]] = {
    "a comment": lambda path: path.write_text(f"{TEXT}#"),
    "a file beside it": lambda path: beside(path, "a.yaml").write_text("providers: {} \n"),
    "a new file": lambda path: beside(path, "b.yaml").write_text(""),
    "another name": lambda path: beside(path, "a.yaml").rename(beside(path, "b.yaml")),
    "a file less": lambda path: beside(path, "a.yaml").unlink(),
    "a secret": lambda path: (path.parent / "secret").write_text("2"),
    "a secret less": lambda path: (path.parent / "secret").unlink(),
    "a secret that was missing": lambda path: (path.parent / "later").write_text(""),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_changes_with(path: Path, change: Callable[[Path], object]) -> None:
    before = mark(path)
    assert mark(path) == before

    change(path)
    assert mark(path) != before


def test_what_is_not_read_changes_nothing(path: Path) -> None:
    before = mark(path)
    (path.parent / "other").write_text("x")
    (path.parent / "providers.d/a.yaml~").write_text("x")
    os.utime(path)

    assert mark(path) == before


def test_the_same_bytes_in_another_file_are_another_config(path: Path) -> None:
    before = mark(path)
    beside(path, "a.yaml").write_text("")
    path.write_text(TEXT + "providers: {}\n")

    assert mark(path) != before


def test_it_is_the_mark_of_the_house_that_is_loaded(path: Path) -> None:
    house = load(str(path))

    assert house.mark == fingerprint(str(path), house.secrets) == mark(path)


def test_what_cannot_be_read_is_refused_as_by_a_load(path: Path) -> None:
    path.unlink()

    with pytest.raises(ConfigError, match="there is no such file"):
        fingerprint(str(path))

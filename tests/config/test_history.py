"""What was applied is kept, twenty versions of it; what is damaged or cannot be written hurts no other."""

from __future__ import annotations

import json
import os
import resource
import stat
from datetime import datetime
from pathlib import Path

import pytest

from gleitzeit_extensions.places import state_directory
from gleitzeitd.config.history import History

CONFIG = "/etc/gleitzeit/providers.yaml"
FILES = {"providers.yaml": "a: é\r\n", "providers.d/b.yaml": ""}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "state" / "history", CONFIG)


def files_of(history_directory: Path) -> list[Path]:
    return sorted(path for path in history_directory.rglob("*") if path.is_file())


def test_a_version_is_read_as_it_was_added(history: History) -> None:
    number = history.add(FILES, "2 added", "f00")

    version = history.get(number)

    assert version
    assert (version.number, version.config, version.summary, version.fingerprint) == (
        1,
        CONFIG,
        "2 added",
        "f00",
    )
    assert version.files == FILES
    assert version.time.endswith("Z")
    assert datetime.fromisoformat(version.time).tzinfo


def test_another_history_of_the_same_place_knows_it_too(history: History, tmp_path: Path) -> None:
    history.add(FILES, "2 added", "f00")

    again = History(tmp_path / "state" / "history", CONFIG)

    assert again.versions() == history.versions()
    assert again.add({}, "2 removed", "f01") == 2


def test_the_last_twenty_are_kept_newest_first_and_without_texts(history: History) -> None:
    for at in range(1, 26):
        assert history.add({"p": str(at)}, f"change {at}", str(at)) == at

    assert [version.number for version in history.versions()] == list(range(25, 5, -1))
    assert all(not version.files for version in history.versions())
    assert history.get(5) is None
    assert (oldest := history.get(6))
    assert oldest.files == {"p": "6"}


def test_what_equals_the_newest_is_no_new_version(history: History) -> None:
    history.add(FILES, "2 added", "f00")

    assert history.add(dict(FILES), "nothing", "f00") == 1
    assert history.add(FILES, "a secret changed", "f01") == 2
    assert history.add({}, "2 removed", "f01") == 3
    assert history.add(FILES, "2 added", "f01") == 4
    assert [version.number for version in history.versions()] == [4, 3, 2, 1]


def test_only_the_daemon_may_read_them(history: History, tmp_path: Path) -> None:
    (tmp_path / "state/history").mkdir(0o755, parents=True)
    before = os.umask(0)
    try:
        history.add(FILES, "", "f00")
    finally:
        os.umask(before)

    directory = tmp_path / "state/history"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.glob("*"))}
    assert modes == {0o700}
    assert [stat.S_IMODE(path.stat().st_mode) for path in files_of(directory)] == [0o600]


def test_each_config_has_a_history_of_its_own(history: History, tmp_path: Path) -> None:
    history.add(FILES, "", "f00")
    other = History(tmp_path / "state/history", "/home/somebody/p.yaml")

    assert (other.versions(), other.get(1)) == ([], None)
    assert other.add({}, "", "f01") == 1
    assert (first := history.get(1))
    assert first.files == FILES


def test_a_relative_path_is_the_file_it_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    History(tmp_path, "config/p.yaml").add(FILES, "", "f00")

    assert History(tmp_path, str(tmp_path / "config/p.yaml")).get(1)


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"number": 2, "time": "", "config": "/etc/gleitzeit/providers.yaml", "summary": "", '
        b'"fingerprint": "", "files": {"a": 1}}',
    ],
)
def test_a_damaged_version_is_none_and_hurts_no_other(
    history: History, tmp_path: Path, damage: bytes
) -> None:
    for number in range(1, 4):
        history.add({"p": str(number)}, "", str(number))
    files_of(tmp_path)[1].write_bytes(damage)

    assert [version.number for version in history.versions()] == [3, 1]
    assert history.get(2) is None


def test_a_version_in_the_place_of_another_is_none(history: History, tmp_path: Path) -> None:
    history.add(FILES, "", "f00")
    (first,) = files_of(tmp_path)
    (first.parent / "7.json").write_text(first.read_text())
    (first.parent / "8.json").write_text(
        json.dumps(json.loads(first.read_text()) | {"number": 8, "config": "/x"})
    )

    assert [version.number for version in history.versions()] == [1]


def test_no_number_is_given_twice_even_when_the_newest_is_damaged(history: History, tmp_path: Path) -> None:
    history.add(FILES, "", "f00")
    files_of(tmp_path)[0].write_text("torn")

    assert history.add(FILES, "", "f00") == 2


def test_what_else_lies_there_is_left_alone(history: History, tmp_path: Path) -> None:
    history.add(FILES, "", "f00")
    directory = files_of(tmp_path)[0].parent
    for name in ("notes.txt", "01.json", "1.json.old", "draft", "99999999999999999999.json"):
        (directory / name).write_text("x")
    (directory / "5.json").mkdir()

    assert history.add({}, "", "f01") == 6
    assert [version.number for version in history.versions()] == [6, 1]
    assert {"notes.txt", "01.json", "1.json.old"} <= set(os.listdir(directory))


def test_a_disk_that_is_full_leaves_all_versions_as_they_were(history: History, tmp_path: Path) -> None:
    history.add(FILES, "", "f00")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            history.add({"p": "x" * 5000}, "", "f01")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [version.number for version in history.versions()] == [1]
    assert [path.name for path in files_of(tmp_path)] == ["1.json"]
    assert history.add({"p": "y"}, "", "f02") == 2


def test_a_place_that_cannot_be_written_is_an_oserror_and_an_empty_history(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "history", CONFIG)

    assert (history.versions(), history.get(1)) == ([], None)
    with pytest.raises(OSError, match="Not a directory"):
        history.add(FILES, "", "f00")


def test_the_state_is_where_the_service_or_the_user_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/one:/two")
    assert state_directory() == "/one"

    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_directory() == "/var/lib/gleitzeit"

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/mine")
    assert state_directory() == "/mine/gleitzeit"

    monkeypatch.setenv("XDG_STATE_HOME", "")
    monkeypatch.setenv("HOME", "/home/me")
    assert state_directory() == "/home/me/.local/state/gleitzeit"

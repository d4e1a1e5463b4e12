"""A file is replaced whole, and stays what it is: its link, mode and owner; or it stays as it was."""

from __future__ import annotations

import errno
import os
import resource
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gleitzeitd.config.rewrite import RewriteError, held, replace

OLD, NEW = b"old\r\n", b"\xef\xbb\xbfnew: \xc3\xa9\n"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_bytes(OLD)
    return path


def test_the_new_bytes_are_there_and_nothing_else_is(file: Path) -> None:
    replace(str(file), OLD, NEW)

    assert file.read_bytes() == NEW
    assert os.listdir(file.parent) == [file.name]


def test_the_mode_stays(file: Path) -> None:
    file.chmod(0o664)

    replace(str(file), OLD, NEW)

    assert stat.S_IMODE(file.stat().st_mode) == 0o664


@needs_root
def test_the_owner_stays(file: Path) -> None:
    os.chown(file, 65534, 65533)

    replace(str(file), OLD, NEW)

    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65533)


def test_a_symbolic_link_stays_one(file: Path, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    link = tmp_path / "inner/link.yaml"
    link.symlink_to("../p.yaml")

    replace(str(link), OLD, NEW)

    assert (os.readlink(link), file.read_bytes()) == ("../p.yaml", NEW)


def test_a_path_may_be_relative(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)

    replace("p.yaml", OLD, NEW)

    assert file.read_bytes() == NEW


def test_a_file_that_was_changed_meanwhile_is_left_alone(file: Path) -> None:
    file.write_bytes(b"theirs")

    with pytest.raises(RewriteError, match=r"p\.yaml: was changed by someone else at the same time"):
        replace(str(file), OLD, NEW)

    assert file.read_bytes() == b"theirs"
    assert os.listdir(file.parent) == [file.name]


def test_a_file_that_is_not_there_can_be_made_like_another(file: Path, tmp_path: Path) -> None:
    file.chmod(0o640)

    replace(str(tmp_path / "new.yaml"), None, NEW, like=str(file))

    assert (tmp_path / "new.yaml").read_bytes() == NEW
    assert stat.S_IMODE((tmp_path / "new.yaml").stat().st_mode) == 0o640


def test_what_came_where_nothing_was_is_left_alone(file: Path) -> None:
    with pytest.raises(RewriteError, match="was changed by someone else"):
        replace(str(file), None, NEW, like=str(file))

    assert file.read_bytes() == OLD


def test_a_write_that_ends_halfway_leaves_the_old_file(file: Path) -> None:
    with files_of_at_most(1000), pytest.raises(RewriteError, match="cannot be changed: File too large"):
        replace(str(file), OLD, b"x" * 5000)

    assert file.read_bytes() == OLD
    assert os.listdir(file.parent) == [file.name]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "its file system is read-only")],
)
def test_a_disk_that_takes_nothing_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, code: int, sentence: str
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)

    with pytest.raises(RewriteError, match=f"p.yaml: cannot be changed: {sentence}"):
        replace(str(file), OLD, NEW)

    assert file.read_bytes() == OLD
    assert os.listdir(file.parent) == [file.name]


def test_a_file_that_may_not_be_written_is_left_alone_though_its_directory_may(open_to_all: Path) -> None:
    file = open_to_all / "p.yaml"
    file.write_bytes(OLD)
    file.chmod(0o444)

    with as_nobody(), pytest.raises(RewriteError, match="cannot be changed: you may not write it: ask as"):
        replace(str(file), OLD, NEW)

    assert file.read_bytes() == OLD
    assert os.listdir(open_to_all) == [file.name]


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    # not tmp_path: into that only its owner may go
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o777)
        yield Path(directory)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root becomes someone whom a file's mode binds; anybody else is."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "odd")

    with pytest.raises(RewriteError, match="odd: "):
        replace(str(tmp_path / "odd"), OLD, NEW)


def test_a_file_without_a_model_is_for_its_owner_and_group(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        replace(str(tmp_path / "new.yaml"), None, NEW, like=str(tmp_path / "nothing"))
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "new.yaml").stat().st_mode) == 0o640
    assert held(str(tmp_path / "new.yaml")) == NEW


def test_nothing_is_held_where_nothing_is(tmp_path: Path) -> None:
    assert held(str(tmp_path / "new.yaml")) is None

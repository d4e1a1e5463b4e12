"""Rotation: no byte is lost, by whatever the daemon is interrupted, and the disk does not fill."""

from __future__ import annotations

import contextlib
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs.archive import Archive, Packing
from gleitzeitd.processes.logs.output import Output
from tests.house import eventually
from tests.processes.logs.sinks import printed

PLAIN = [f"{number}\n".encode() for number in range(20)]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


class Log:
    """A log that is rotated after every line; what another thread would do is done when it is asked for."""

    def __init__(self, directory: Path, files: int) -> None:
        self.path = directory / "p.log"
        self.packings: list[Packing] = []
        self.archive = Archive(str(self.path), files, self.packings.append)

    def turn(self, line: bytes) -> None:
        self.path.write_bytes(line)
        self.archive.rotate()

    def pack(self) -> None:
        while self.packings:
            packing = self.packings.pop(0)
            self.archive.publish(packing, packing.run())

    def lines(self) -> list[bytes]:
        """All that is kept, the newest first; what stands in two files counts once."""
        numbered = sorted(self.path.parent.iterdir(), key=lambda path: (path.name.count("."), path.name))
        return [content(path) for path in numbered]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path, 4)


def test_the_newest_is_plain_and_the_older_are_compressed(log: Log, tmp_path: Path) -> None:
    for line in PLAIN[:4]:
        log.turn(line)
        log.pack()

    assert names(tmp_path) == ["p.log.1", "p.log.2.gz", "p.log.3.gz", "p.log.4.gz"]
    assert [content(tmp_path / name) for name in names(tmp_path)] == PLAIN[3::-1]


def test_the_oldest_makes_room(log: Log, tmp_path: Path) -> None:
    for line in PLAIN:
        log.turn(line)
        log.pack()

    assert names(tmp_path) == ["p.log.1", "p.log.2.gz", "p.log.3.gz", "p.log.4.gz"]
    assert [content(tmp_path / name) for name in names(tmp_path)] == PLAIN[:-5:-1]


def test_files_that_are_no_longer_wanted_are_deleted(log: Log, tmp_path: Path) -> None:
    for line in PLAIN[:4]:
        log.turn(line)
        log.pack()
    fewer = Log(tmp_path, 2)
    fewer.turn(PLAIN[4])
    fewer.pack()

    assert names(tmp_path) == ["p.log.1", "p.log.2.gz"]


def test_without_older_files_the_log_starts_anew(tmp_path: Path) -> None:
    Log(tmp_path, 4).turn(PLAIN[0])
    Log(tmp_path, 0).turn(PLAIN[1])

    assert names(tmp_path) == []


def test_what_was_renamed_while_it_was_compressed_is_put_in_its_new_place(log: Log, tmp_path: Path) -> None:
    """Seen to fail when the name was kept instead of the file."""
    log.turn(PLAIN[0])
    log.turn(PLAIN[1])
    (packing,) = log.packings
    log.packings.clear()
    log.turn(PLAIN[2])
    log.archive.publish(packing, packing.run())
    log.pack()

    assert names(tmp_path) == ["p.log.1", "p.log.2.gz", "p.log.3.gz"]
    assert [content(tmp_path / name) for name in names(tmp_path)] == PLAIN[2::-1]


def test_what_was_deleted_while_it_was_compressed_stays_deleted(tmp_path: Path) -> None:
    log = Log(tmp_path, 2)
    log.turn(PLAIN[0])
    log.turn(PLAIN[1])
    (packing,) = log.packings
    log.packings.clear()
    for line in PLAIN[2:5]:
        log.turn(line)
    log.archive.publish(packing, packing.run())
    log.pack()

    assert [content(tmp_path / name) for name in names(tmp_path)] in ([PLAIN[4], PLAIN[3]],)


def test_what_could_not_be_compressed_stays_plain(log: Log, tmp_path: Path) -> None:
    log.turn(PLAIN[0])
    log.turn(PLAIN[1])
    log.archive.publish(log.packings.pop(), is_complete=False)

    assert names(tmp_path) == ["p.log.1", "p.log.2"]


class DiedError(BaseException):
    """The daemon was killed."""


@pytest.mark.parametrize("step", range(8))
def test_a_daemon_that_dies_between_two_steps_loses_nothing(
    log: Log, tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when the plain file was deleted before the compressed one had its name."""
    for line in PLAIN[:4]:
        log.turn(line)
        log.pack()
    steps = 0

    def mortal(act: Callable[..., None]) -> Callable[..., None]:
        def stepping(*args: Any) -> None:
            nonlocal steps
            if steps == step:
                raise DiedError
            act(*args)
            steps += 1

        return stepping

    with monkeypatch.context() as dying:
        dying.setattr("gleitzeitd.processes.logs.archive.os.rename", mortal(os.rename))
        dying.setattr("gleitzeitd.processes.logs.archive.os.unlink", mortal(os.unlink))
        with contextlib.suppress(DiedError):
            log.turn(PLAIN[4])
            log.pack()
    assert steps == min(step, 7)
    assert set(PLAIN[1:5]) <= set(log.lines())

    # The next daemon's first rotation; `.4` is the oldest that is kept.
    after = Log(tmp_path, 4)
    if after.path.exists():
        after.archive.rotate()
    after.turn(PLAIN[5])
    after.pack()
    assert set(PLAIN[2:6]) <= set(after.lines())
    assert names(tmp_path) == ["p.log.1", "p.log.2.gz", "p.log.3.gz", "p.log.4.gz"]


def test_what_an_interrupted_compression_left_is_deleted(log: Log, tmp_path: Path) -> None:
    log.turn(PLAIN[0])
    (tmp_path / "p.log.gz.tmp").write_bytes(b"half")
    log.turn(PLAIN[1])
    log.pack()

    assert names(tmp_path) == ["p.log.1", "p.log.2.gz"]


@pytest.mark.parametrize("place", ["p.log.1", "p.log.2", "p.log.gz.tmp"])
def test_no_link_is_followed(log: Log, tmp_path: Path, place: str) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"precious\n")
    os.symlink(target, tmp_path / place)
    for line in PLAIN:
        log.turn(line)
        log.pack()

    assert target.read_bytes() == b"precious\n"
    assert [content(tmp_path / name) for name in names(tmp_path) if name != "precious"] == PLAIN[:-5:-1]


@pytest.mark.parametrize("umask", [0o000, 0o777])
def test_a_compressed_file_has_its_mode_whatever_the_umask(log: Log, tmp_path: Path, umask: int) -> None:
    log.turn(PLAIN[0])
    log.turn(PLAIN[1])
    before = os.umask(umask)
    try:
        log.pack()
    finally:
        os.umask(before)

    assert oct((tmp_path / "p.log.2.gz").stat().st_mode) == oct(0o100640)


# With the writer.


def test_a_log_is_rotated_at_line_ends_and_nothing_is_lost(tmp_path: Path) -> None:
    """Seen to fail when a batch was written whole into the file that was open."""
    output = Output("p", str(tmp_path / "p.log"), Logs(1000, 100))
    lines = [b"%d\n" % number for number in range(1000)]
    output.add("stdout", b"".join(lines[:900]))
    for line in lines[900:]:
        output.add("stdout", line)
    output.close()
    compressed = eventually(lambda: _all_compressed(tmp_path))

    newest_first = [tmp_path / "p.log", tmp_path / "p.log.1", *compressed]
    whole = b""
    for path in reversed(newest_first):
        (tmp_path / "plain").write_bytes(content(path))
        whole += printed(tmp_path / "plain")
        assert 0 < len(content(path)) <= 1000
    assert whole == b"".join(lines)


def test_a_record_that_is_larger_than_a_file_is_kept(tmp_path: Path) -> None:
    output = Output("p", str(tmp_path / "p.log"), Logs(100, 3))
    for _ in range(3):
        output.add("stdout", b"x" * 1000 + b"\n")
    output.close()

    assert printed(tmp_path / "p.log") == printed(tmp_path / "p.log.1") == b"x" * 1000 + b"\n"
    assert output.lost == 0


def test_many_logs_take_a_bounded_room(tmp_path: Path) -> None:
    output = Output("p", str(tmp_path / "p.log"), Logs(1000, 2))
    for number in range(2000):
        output.add("stdout", b"%d\n" % number)
    output.close()
    eventually(lambda: names(tmp_path) == ["p.log", "p.log.1", "p.log.2.gz"])


def _all_compressed(directory: Path) -> list[Path]:
    """The compressed files by their number; empty as long as one is not."""
    older = [path for path in directory.iterdir() if path.name not in ("p.log", "p.log.1")]
    if not older or any(path.suffix != ".gz" for path in older):
        return []
    return sorted(older, key=lambda path: int(path.name.split(".")[2]))

"""A disk that refuses, or does not answer: the child goes on, and what is missing is counted and said."""

from __future__ import annotations

import os
import re
import resource
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs import backlog, logfile, sink
from gleitzeitd.processes.logs.backlog import Backlog
from gleitzeitd.processes.logs.lines import CHUNK_COST
from gleitzeitd.processes.logs.logfile import LogFile
from gleitzeitd.processes.logs.output import Output
from gleitzeitd.processes.logs.writer import Writer
from tests.house import eventually
from tests.processes.logs.sinks import parsed

HEAD = len("2026-01-31T12:00:00.123456000Z stdout F ")
GAP = re.compile(rb"gleitzeit: (\d+) bytes were dropped here: (.+)")

Notices = list[MutableMapping[str, Any]]


@pytest.fixture
def output(tmp_path: Path, notices: Notices) -> Iterator[Output]:
    output = Output("p", str(tmp_path / "p.log"))
    yield output
    output.close()


@pytest.fixture(autouse=True)
def notices() -> Iterator[Notices]:
    """What is logged; where it is printed there may be no room either."""
    with capture_logs() as notices:
        yield notices


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is asked again without delay."""
    monkeypatch.setattr(sink, "RETRY", 0.001)
    monkeypatch.setattr(logfile, "LOOK_AGAIN", 0.0)


@contextmanager
def room_for(output: Output, size: int) -> Iterator[None]:
    """The disk takes only `size` bytes more for the file (setrlimit(2))."""
    held = os.stat(output.path).st_size if os.path.exists(output.path) else 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (held + size, before[1]))
    try:
        yield
        output.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def kept(output: Output) -> list[bytes]:
    output.flush()
    return [text for _, _, text in parsed(output.path)]


def gaps(output: Output) -> list[tuple[int, bytes]]:
    return [(int(found[1]), found[2]) for text in kept(output) if (found := GAP.fullmatch(text))]


def until_mended(output: Output) -> None:
    eventually(lambda: output.flush() and output._sink.retry is None)


# A disk that refuses.


def test_what_a_full_disk_does_not_take_is_counted_to_the_byte(output: Output) -> None:
    with room_for(output, 0):
        output.add("stdout", b"one\ntwo\n")
        output.add("stderr", b"three\n")

    assert output.lost == len(b"one\ntwo\nthree\n")
    assert [record.line for record in output.last(10)] == [b"one", b"two", b"three"]


@pytest.mark.parametrize("room", [1, HEAD - 1, HEAD, HEAD + 1, HEAD + 3, HEAD + 4, HEAD + 5, 2 * HEAD + 6])
@pytest.mark.usefixtures("_at_once")
def test_the_place_of_a_gap_says_how_much_is_missing(output: Output, room: int) -> None:
    """Seen to fail when the count took whole records, and when a torn record was not ended."""
    output.add("stdout", b"before\n")
    output.flush()
    with room_for(output, room):
        output.add("stdout", b"one\ntwo\n")
    until_mended(output)
    output.add("stdout", b"after\n")
    output.flush()
    data = Path(output.path).read_bytes().split(b"\n")
    said = [(at, int(found[1])) for at, line in enumerate(data) if (found := GAP.search(line))]

    ((at, missing),) = said
    assert data[0].endswith(b" stdout F before")
    assert data[at + 1 :][0].endswith(b" stdout F after")
    in_file = sum(len(line[HEAD:]) for line in data[1:at]) + sum(len(line) > HEAD for line in data[1:at])
    # The end of a torn line is ours: the child's is among what is missing.
    torn = room != HEAD + 4 and len(data[at - 1]) > HEAD
    assert missing == output.lost == len(b"one\ntwo\n") - in_file + torn


@pytest.mark.usefixtures("_at_once")
def test_room_is_found_again_though_nothing_more_is_printed(output: Output, notices: Notices) -> None:
    """Seen to fail when only the next line made the writer ask again."""
    with room_for(output, 0):
        output.add("stdout", b"one\n")
    eventually(lambda: gaps(output) == [(4, b"File too large")])

    assert [(told["event"], told.get("reason"), told.get("dropped")) for told in notices] == [
        ("output is dropped", "File too large", None),
        ("output is kept again", None, 4),
    ]
    assert {told["name"] for told in notices} == {"p"}


def test_a_disk_that_refuses_is_asked_seldom(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail when every line was tried."""
    asked: list[object] = []
    monkeypatch.setattr(sink, "RETRY", 1000.0)

    def refuse(self: LogFile, records: object) -> None:
        asked.append(records)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogFile, "append", refuse)
    for _ in range(100):
        output.add("stdout", b"one\n")
        output.flush()

    assert len(asked) == 1
    assert output.lost == 400


@pytest.mark.usefixtures("_at_once")
def test_a_disk_that_is_full_again_and_again_floods_no_log(output: Output, notices: Notices) -> None:
    for _ in range(20):
        with room_for(output, 0):
            output.add("stdout", b"one\n")
        until_mended(output)

    assert [told["event"] for told in notices] == ["output is dropped", "output is kept again"]
    assert output.lost == 80
    assert sum(size for size, _ in gaps(output)) == 80


@pytest.mark.usefixtures("_at_once")
def test_a_directory_that_comes_back_is_written_to(tmp_path: Path) -> None:
    output = Output("p", str(tmp_path / "later" / "p.log"))
    output.add("stdout", b"one\n")
    output.flush()
    (tmp_path / "later").mkdir()
    until_mended(output)
    output.add("stdout", b"two\n")
    output.close()

    assert gaps(output) == [(4, b"No such file or directory")]
    assert kept(output)[-1] == b"two"
    assert output.lost == 4


PLACES: dict[str, Callable[[Path], None]] = {
    "a link": lambda path: os.symlink(path.parent / "precious", path),
    "a link to nothing": lambda path: os.symlink(path.parent / "nothing", path),
    "a FIFO": lambda path: os.mkfifo(path),
    "a directory": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("taken", PLACES)
def test_what_stands_in_its_place_is_left_alone(output: Output, taken: str, tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious\n")
    PLACES[taken](Path(output.path))
    before = os.lstat(output.path)
    output.add("stdout", b"one\n")
    output.flush()

    assert output.lost == 4
    assert os.path.samestat(os.lstat(output.path), before)
    assert sorted(os.listdir(tmp_path)) == ["p.log", "precious"]
    assert (tmp_path / "precious").read_bytes() == b"precious\n"


def test_a_fifo_with_a_reader_is_no_log(output: Output) -> None:
    os.mkfifo(output.path)
    reader = os.open(output.path, os.O_RDONLY | os.O_NONBLOCK)
    output.add("stdout", b"one\n")
    output.flush()

    assert os.read(reader, 100) == b""
    assert output.lost == 4
    os.close(reader)


def test_a_log_that_cannot_be_rotated_is_kept_all_the_same(tmp_path: Path, notices: Notices) -> None:
    # Something that is no file stands where the oldest is to be deleted.
    (tmp_path / "p.log.1" / "x").mkdir(parents=True)
    output = Output("p", str(tmp_path / "p.log"), Logs(200, 1))
    for number in range(20):
        output.add("stdout", b"%d\n" % number)
    output.close()

    assert kept(output) == [b"%d" % number for number in range(20)]
    assert output.lost == 0
    assert [told["event"] for told in notices] == ["log cannot be rotated"]


# A disk that does not answer.


def test_what_waits_for_a_disk_is_bounded_and_what_is_dropped_is_said(
    tmp_path: Path, answers: threading.Event, notices: Notices
) -> None:
    """Seen to fail when the gap was written after what was printed later."""
    output = Output("p", str(tmp_path / "p.log"), writer=Writer())
    line = b"x" * 999 + b"\n"
    fitting = backlog.BACKLOG_SIZE // (1000 + CHUNK_COST)
    for _ in range(fitting + 50):
        output.add("stdout", line)
    assert output.lost == 50 * 1000
    answers.set()
    assert output.flush(20)
    output.add("stdout", b"after\n")
    output.close()

    assert kept(output) == [
        *[line[:-1]] * fitting,
        b"gleitzeit: 50000 bytes were dropped here: the disk does not keep up",
        b"after",
    ]
    assert [told["event"] for told in notices] == ["output is dropped", "output is kept again"]


def test_the_end_waits_for_a_disk_only_once(
    tmp_path: Path, answers: threading.Event, notices: Notices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when every output waited."""
    waited: list[float] = []
    wait = Backlog.wait

    def waiting(self: Backlog, timeout: float) -> bool:
        waited.append(timeout)
        return wait(self, timeout)

    monkeypatch.setattr(Backlog, "wait", waiting)
    writer = Writer()
    outputs = [Output(f"p{number}", str(tmp_path / f"{number}.log"), writer=writer) for number in range(3)]
    for output in outputs:
        output.add("stdout", b"one\n")
    for output in outputs:
        output.close(0.01)

    assert waited == [0.01, 0, 0]
    late = [told["name"] for told in notices if told["event"] == "output was not written in time"]
    assert late == ["p0", "p1", "p2"]
    answers.set()
    for output in outputs:
        assert output.flush(20)

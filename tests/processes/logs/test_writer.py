"""The writer goes on, whatever happens to it: no thread, no memory, a disk that is only slow, the end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs import logfile, sink
from gleitzeitd.processes.logs.archive import Packing
from gleitzeitd.processes.logs.backlog import PATIENCE, Backlog, Progress
from gleitzeitd.processes.logs.lines import LONGEST_LINE, Chunk
from gleitzeitd.processes.logs.logfile import LogFile
from gleitzeitd.processes.logs.output import Output
from gleitzeitd.processes.logs.writer import Writer
from tests.house import eventually
from tests.processes.logs.sinks import parsed, printed

DEADLINE = 20


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    output = Output("p", str(tmp_path / "p.log"), writer=Writer())
    yield output
    output.close()


class Disk:
    """The next `failures` times that it is asked it raises, with `written` bytes in the file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failures = 0
        self.error: Exception = OSError(28, "No space left on device")
        self.written = 0
        self.asked: list[int] = []
        self._append = LogFile.append
        monkeypatch.setattr(LogFile, "append", lambda file, records: self.append(file, records))

    def append(self, file: LogFile, records: Any) -> None:
        self.asked.append(sum(map(len, records)))
        if not self.failures:
            return self._append(file, records)
        self.failures -= 1
        if self.written:
            self._append(file, [b"".join(records)[: self.written]])
            file._is_torn = True
        file.written = self.written
        raise self.error


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


# Threads.


def test_a_thread_that_could_not_be_started_is_started_later(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when only an idle backlog woke the writer."""
    with monkeypatch.context() as scarce:

        def refuse(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        scarce.setattr(threading.Thread, "start", refuse)
        output.add("stdout", b"one\n")
    output.add("stdout", b"two\n")

    assert output.flush(DEADLINE)
    assert printed(output.path) == b"one\ntwo\n"


def test_both_threads_are_there_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))
    Writer().begin()

    assert started == ["output", "gzip"]


# What is no refusal of the disk.


def test_whatever_fails_is_counted_and_the_writer_goes_on(
    output: Output, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when only an OSError was one."""
    monkeypatch.setattr(sink, "RETRY", 0.0)
    disk.failures, disk.error = 1, MemoryError("none left")
    disk.written = len("2026-01-31T12:00:00.123456000Z stdout F o")
    output.add("stdout", b"one\n")
    assert output.flush(DEADLINE)
    output.add("stdout", b"two\n")
    assert output.flush(DEADLINE)

    assert output.lost == 3
    said = b"gleitzeit: 3 bytes were dropped here: MemoryError: none left"
    assert [text for _, _, text in parsed(output.path)] == [b"o", said, b"two"]


def test_what_cannot_even_be_made_ready_is_counted(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail when the bytes that were taken were forgotten, and the output was never idle again."""
    monkeypatch.setattr(sink, "RETRY", 1000.0)
    with monkeypatch.context() as broken:

        def fail(_: Chunk) -> bytes:
            raise MemoryError

        broken.setattr(Chunk, "cri", fail)
        output.add("stdout", b"one\n")
        assert output.flush(DEADLINE)
    output.add("stdout", b"two\n")
    output.close()

    assert output.lost == 8
    (said,) = (text for _, _, text in parsed(output.path))
    assert said == b"gleitzeit: 8 bytes were dropped here: MemoryError: "
    assert output._sink.backlog._held == 0


def test_a_file_that_could_not_be_compressed_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when only what `run` returned was published."""
    run = Packing.run
    failed: list[Packing] = []

    def fail_once(packing: Packing) -> bool:
        if not failed:
            failed.append(packing)
            raise MemoryError
        return run(packing)

    monkeypatch.setattr(Packing, "run", fail_once)
    output = Output("p", str(tmp_path / "p.log"), Logs(60, 1000), Writer())

    def is_packed() -> bool:
        output.add("stdout", b"more\n")
        output.flush()
        return bool(failed) and any(tmp_path.glob("*.gz"))

    eventually(is_packed)
    output.close()


# A disk that is slow, but never stands still.


def test_what_becomes_many_times_as_long_is_written_in_parts(output: Output, disk: Disk) -> None:
    """Seen to fail when a chunk was written as one."""
    data = b"\n" * (256 * 1024)
    output.add("stdout", data)
    assert output.flush(DEADLINE)

    assert max(disk.asked) <= 2 * sink.BATCH
    assert len(disk.asked) > 4
    assert printed(output.path) == data


def test_the_progress_of_one_output_is_that_of_all() -> None:
    """Seen to fail when each knew only its own."""
    progress = Progress()
    one, other = (Backlog(lambda: True, progress) for _ in range(2))
    one.put(Chunk("p", "", "stdout", b"one\n"))
    one._since -= 2 * PATIENCE
    assert one._patience() < 0
    other.settle(0)

    assert one._patience() > 0


def test_room_is_made_with_each_part(output: Output, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail when all that was taken was settled at once."""
    held: list[int] = []
    append = disk.append

    def noting(file: LogFile, records: Any) -> None:
        held.append(output._sink.backlog._held)
        append(file, records)

    monkeypatch.setattr(disk, "append", noting)
    output.add("stdout", b"\n" * (256 * 1024))
    assert output.flush(DEADLINE)

    assert held == sorted(set(held), reverse=True)
    assert output._sink.backlog._held == 0


# The end.


def test_a_gap_is_told_before_the_file_is_closed(
    output: Output, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when the end did not ask the disk again."""
    monkeypatch.setattr(sink, "RETRY", 1000.0)
    disk.failures = 1
    output.add("stdout", b"one\n")
    output.close()

    said = b"gleitzeit: 4 bytes were dropped here: No space left on device"
    assert [text for _, _, text in parsed(output.path)] == [said]
    assert output._sink._file._file is None


def test_times_ascend_where_a_gap_is_told_before_what_waited(
    output: Output, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when a gap had the time at which it was told: those who look for a time halve the file."""
    monkeypatch.setattr(sink, "RETRY", 1000.0)
    disk.failures = 1
    output.add("stdout", b"one\n")
    assert output.flush(DEADLINE)
    output._sink._again = 0.0
    output.add("stdout", b"two\n")
    assert output.flush(DEADLINE)

    times = [line.split()[0] for line in Path(output.path).read_text().splitlines()]
    assert len(times) == 2
    assert times == sorted(times)


def test_a_file_that_was_closed_is_not_opened_for_a_gap(
    output: Output, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when the gap was tried once more after the end."""
    monkeypatch.setattr(sink, "RETRY", 0.0)
    disk.failures = 1000
    # Both at once, so that nothing is tried between them.
    output._sink.backlog._is_roused = True
    output.add("stdout", b"one\n")
    output._sink.backlog._is_roused = False
    output.close()
    asked = len(disk.asked)
    disk.failures = 0
    output._sink.work()

    assert output._sink.retry is None
    assert len(disk.asked) == asked
    assert not Path(output.path).exists()


# Others at the file, and readers of it.


def test_a_log_that_somebody_emptied_is_not_rotated(
    output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when the size from before was believed."""
    monkeypatch.setattr(logfile, "LOOK_AGAIN", 1000.0)
    output = Output("p", str(tmp_path / "q.log"), Logs(200, 3), Writer())
    output.add("stdout", b"1\n" * 4)
    output.flush(DEADLINE)
    Path(output.path).write_bytes(b"")
    output.add("stdout", b"2\n" * 4)
    output.close()

    assert [path.name for path in tmp_path.iterdir()] == ["q.log"]
    assert printed(output.path) == b"2\n" * 4


@pytest.mark.parametrize("torn", [False, True])
def test_a_line_whose_rest_is_missing_is_ended(
    output: Output, disk: Disk, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    """Seen to fail when the next line stood where its rest belongs; shippers join the two."""
    monkeypatch.setattr(sink, "RETRY", 0.0)
    if torn:
        disk.failures, disk.written = 1, 100
    output.add("stdout", b"x" * LONGEST_LINE, goes_on=True)
    output.flush(DEADLINE)
    disk.failures, disk.written = 0 if torn else 1, 0
    output.add("stdout", b"the rest\n")
    output.flush(DEADLINE)
    output.add("stdout", b"after\n")
    output.flush(DEADLINE)

    tags = [(stream, tag) for stream, tag, _ in parsed(output.path)]
    assert tags[:3] == [("stdout", "P"), ("stdout", "F"), ("stderr", "F")]
    assert parsed(output.path)[1][2] == b""

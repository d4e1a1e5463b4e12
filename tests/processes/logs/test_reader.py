"""Pipes are read to their end; who prints faster than a disk takes waits, and loses nothing."""

from __future__ import annotations

import fcntl
import os
import select
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gleitzeitd.processes.logs import backlog
from gleitzeitd.processes.logs.backlog import Backlog
from gleitzeitd.processes.logs.output import PIPE_SIZE, Output, Reader
from gleitzeitd.processes.logs.writer import Writer
from tests.processes.logs.sinks import parsed, printed
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio

LINE = b"x" * 99 + b"\n"
FLOOD = LINE * 30_000


class Pipe:
    def __init__(self, output: Output, stream: str = "stdout") -> None:
        read, self.write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.size = fcntl.fcntl(read, fcntl.F_GETPIPE_SZ)
        self.reader = Reader(read, stream, output)

    def is_full(self) -> bool:
        return not select.select([], [self.write], [], 0)[1]

    def print(self, data: bytes) -> None:
        """Like a child: waits for its pipe."""
        os.set_blocking(self.write, True)
        while data:
            data = data[os.write(self.write, data) :]
        os.close(self.write)


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    output = Output("p", str(tmp_path / "p.log"), writer=Writer())
    yield output
    output.close()


@asynccontextmanager
async def reading(*pipes: Pipe) -> AsyncIterator[None]:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for pipe in pipes:
                tasks.start_soon(pipe.reader.run)
            yield


async def read(output: Output, data: bytes) -> None:
    pipe = Pipe(output)
    child = threading.Thread(target=pipe.print, args=(data,))
    child.start()
    async with reading(pipe):
        pass
    child.join()
    output.close()


async def test_a_flood_is_kept_whole(output: Output) -> None:
    await read(output, FLOOD)

    assert printed(output.path) == FLOOD
    assert output.lost == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\n" * 100_000,
        b"x" * 3_000_000 + b"\nnext\n",
        b"".join(b"y" * length + b"\r\n" for length in range(16 * 1024 - 20, 16 * 1024 + 20)),
        bytes(range(256)) * 1000 + b"\n",
    ],
    ids=["empty lines", "a long line", "lines about as long as a record", "garbage"],
)
async def test_whatever_is_printed_is_kept_as_it_came(output: Output, data: bytes) -> None:
    await read(output, data)

    assert printed(output.path) == data
    assert max(len(text) for _, _, text in parsed(output.path)) <= 16 * 1024


async def test_bytes_that_come_one_by_one_make_lines(output: Output) -> None:
    pipe = Pipe(output)
    for byte in b"one\r\ntwo":
        os.write(pipe.write, bytes([byte]))
        pipe.reader.read()
    os.close(pipe.write)
    async with reading(pipe):
        pass
    output.close()

    assert printed(output.path) == b"one\r\ntwo\n"


async def test_who_prints_much_gets_a_wide_pipe_and_who_prints_little_does_not(output: Output) -> None:
    """All pipes of a user share a bound. Seen to fail when every pipe was made wide."""
    much, little = Pipe(output), Pipe(output)
    os.write(much.write, b"x" * much.size)
    os.write(little.write, b"x")
    much.reader.read()
    little.reader.read()

    assert fcntl.fcntl(much.write, fcntl.F_GETPIPE_SZ) == PIPE_SIZE
    assert fcntl.fcntl(little.write, fcntl.F_GETPIPE_SZ) == little.size
    os.close(much.write)
    os.close(little.write)
    async with reading(much, little):
        pass


async def test_a_pipe_that_may_not_be_wide_is_read_all_the_same(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("gleitzeitd.processes.logs.output.fcntl.fcntl", refuse)
    pipe = Pipe.__new__(Pipe)
    descriptor, pipe.write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    pipe.reader = Reader(descriptor, "stdout", output)
    child = threading.Thread(target=pipe.print, args=(FLOOD,))
    child.start()
    async with reading(pipe):
        pass
    child.join()
    output.close()

    assert printed(output.path) == FLOOD


# The last words.


async def test_the_last_lines_are_those_of_this_pipe(output: Output) -> None:
    stderr = Pipe(output, "stderr")
    os.write(stderr.write, b"".join(b"%d\n" % number for number in range(30)) + b"unfinished")
    stderr.reader.drain()
    output.add("stdout", FLOOD[:600_000])
    tail = stderr.reader.tail()
    os.close(stderr.write)
    async with reading(stderr):
        pass

    assert tail == [*(str(number) for number in range(11, 30)), "unfinished"]
    output.close()
    assert parsed(output.path)[-1] == ("stderr", "F", b"unfinished")


# A disk that is slow.


async def test_who_prints_faster_than_the_disk_takes_waits_and_loses_nothing(
    output: Output, answers: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when the reader did not wait."""
    monkeypatch.setattr(backlog, "PATIENCE", 1000.0)
    room = Backlog.room

    async def waiting(self: Backlog) -> None:
        # Only now, as who does not wait would have lost the most of it by then.
        answers.set()
        await room(self)

    monkeypatch.setattr(Backlog, "room", waiting)
    pipe = Pipe(output)
    child = threading.Thread(target=pipe.print, args=(FLOOD,))
    child.start()
    async with reading(pipe):
        pass
    child.join()
    output.close()

    assert printed(output.path) == FLOOD
    assert output.lost == 0


async def test_a_disk_that_hangs_does_not_hang_who_prints(
    output: Output, answers: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when one waited for room without an end."""
    monkeypatch.setattr(backlog, "PATIENCE", 0.01)
    pipe = Pipe(output)
    child = threading.Thread(target=pipe.print, args=(FLOOD,))
    child.start()
    async with reading(pipe):
        pass
    child.join()
    answers.set()
    output.close()

    said = [text for stream, _, text in parsed(output.path) if stream == "stderr"]
    kept = printed(output.path).count(LINE) * len(LINE)
    assert said == [b"gleitzeit: %d bytes were dropped here: the disk does not keep up" % output.lost]
    assert output.lost > 0
    assert kept + output.lost == len(FLOOD)


async def test_the_last_words_are_kept_though_the_disk_lags_behind(
    output: Output, answers: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail when `tail` took only what there was room for."""
    monkeypatch.setattr(backlog, "PATIENCE", 1000.0)
    stdout, stderr = Pipe(output), Pipe(output, "stderr")
    child = threading.Thread(target=stdout.print, args=(FLOOD,))
    child.start()
    async with reading(stdout, stderr):
        await eventually_here(lambda: output.is_full and stdout.is_full())
        os.write(stderr.write, b"last words\n")
        stderr.reader.drain()
        assert stderr.reader.tail() == ["last words"]
        os.close(stderr.write)
        answers.set()
    child.join()
    output.close()

    assert output.lost == 0
    assert ("stderr", "F", b"last words") in parsed(output.path)

"""What one instance printed: in its file, in memory, and with those who follow it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gleitzeitd.core.spec import Logs
from gleitzeitd.processes.logs import logfile
from gleitzeitd.processes.logs.follower import Follower
from gleitzeitd.processes.logs.output import RING_SIZE, Output
from tests.processes.logs.sinks import parsed, printed


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Output]:
    output = Output("p", str(tmp_path / "p.log"))
    yield output
    output.close()


def records(output: Output) -> list[tuple[str, str, bytes]]:
    """What the file has, once all is written."""
    assert output.flush(20)
    return parsed(output.path)


# The file.


def test_the_file_has_both_streams_in_the_order_in_which_they_came(output: Output) -> None:
    output.add("stdout", b"one", goes_on=True)
    output.add("stderr", b"three\n")
    output.add("stdout", b"two\nfour")

    assert records(output) == [
        ("stdout", "P", b"one"),
        ("stderr", "F", b"three"),
        ("stdout", "F", b"two"),
        ("stdout", "F", b"four"),
    ]
    assert output.lost == 0


def test_an_instance_that_printed_nothing_has_no_file(output: Output) -> None:
    output.add("stdout", b"")
    output.close()

    assert not Path(output.path).exists()


def test_the_file_is_continued_by_the_next_daemon(output: Output) -> None:
    output.add("stdout", b"one\n")
    output.close()
    following = Output("p", output.path)
    following.add("stdout", b"two\n")
    following.close()

    assert printed(output.path) == b"one\ntwo\n"


def test_a_record_torn_by_the_end_of_a_daemon_does_not_swallow_the_next(output: Output) -> None:
    """Seen to fail when the end of the file was not looked at."""
    torn = b"2026-01-31T12:00:00.123456000Z stdout F hal"
    Path(output.path).write_bytes(torn)
    output.add("stdout", b"one\n")

    assert records(output) == [("stdout", "F", b"hal"), ("stdout", "F", b"one")]


def test_a_closed_output_has_no_file_open_and_goes_on_when_there_is_more(output: Output) -> None:
    before = os.listdir("/proc/self/fd")
    output.add("stdout", b"one\n")
    output.close()
    assert os.listdir("/proc/self/fd") == before
    output.add("stdout", b"two\n")
    output.close()

    assert printed(output.path) == b"one\ntwo\n"


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_file_has_its_mode_whatever_the_umask(output: Output, umask: int) -> None:
    before = os.umask(umask)
    try:
        output.add("stdout", b"one\n")
        output.flush()
    finally:
        os.umask(before)

    assert oct(os.stat(output.path).st_mode) == oct(0o100640)


@pytest.mark.parametrize("leave", [os.rename, lambda old, _: os.unlink(old)], ids=["renamed", "deleted"])
def test_a_file_that_was_taken_away_is_followed_by_a_new_one(
    output: Output, leave: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As logrotate does. Seen to fail when the inode was not looked at."""
    monkeypatch.setattr(logfile, "LOOK_AGAIN", 0.0)
    output.add("stdout", b"one\n")
    output.flush()
    assert callable(leave)
    leave(output.path, f"{output.path}.old")
    output.add("stdout", b"two\n")

    assert records(output) == [("stdout", "F", b"two")]
    assert output.lost == 0


def test_a_file_that_was_emptied_is_written_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "LOOK_AGAIN", 0.0)
    output = Output("p", str(tmp_path / "p.log"), Logs(60))
    output.add("stdout", b"one\n")
    output.flush()
    os.truncate(output.path, 0)
    output.add("stdout", b"two\n")
    output.close()

    assert printed(output.path) == b"two\n"
    assert os.listdir(tmp_path) == ["p.log"]


# Memory.


def test_the_last_records_are_given_oldest_first_and_by_stream(output: Output) -> None:
    for number in range(3):
        output.add("stdout", b"out%d\n" % number)
        output.add("stderr", b"err%d\n" % number)

    assert [one.line for one in output.last(3)] == [b"err1", b"out2", b"err2"]
    assert [one.line for one in output.last(2, "stderr")] == [b"err1", b"err2"]
    assert output.last(0) == []
    assert len(output.last(100)) == 6


def test_many_small_chunks_are_bounded_as_well(output: Output) -> None:
    for _ in range(RING_SIZE // 100):
        output.add("stdout", b"\n")

    assert len(output.last(10**6)) <= RING_SIZE // 200 + 1


@pytest.mark.anyio
async def test_a_follower_gets_what_comes_while_it_follows(output: Output) -> None:
    follower = Follower()
    output.add("stdout", b"before\n")
    with output.followed(follower):
        output.add("stdout", b"one\ntwo\n")
        output.add("stderr", b"three\n")
    output.add("stdout", b"after\n")
    taken, missed = await follower.take()

    assert [one.line for one in taken] == [b"one", b"two", b"three"]
    assert missed == 0

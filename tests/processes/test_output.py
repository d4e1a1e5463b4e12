"""What one instance printed: in the file, in memory, and with those who follow it."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from gleitzeitd.processes.output import (
    FOLLOWER_SIZE,
    RECORD_COST,
    RING_SIZE,
    Follower,
    Output,
    Record,
    Ring,
)


def record(line: bytes, partial: bool = False) -> Record:
    return Record("p", "2026-01-31T12:00:00.123456000Z", "stdout", line, partial)


def lines(*texts: bytes) -> list[tuple[bytes, bool]]:
    return [(text, False) for text in texts]


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output("p", str(tmp_path / "p.log"))


# The file.


def test_a_record_is_a_line_of_the_cri_log_format() -> None:
    assert record(b"hello").cri() == b"2026-01-31T12:00:00.123456000Z stdout F hello\n"
    assert record(b"hel", partial=True).cri() == b"2026-01-31T12:00:00.123456000Z stdout P hel\n"
    assert record(b"").cri() == b"2026-01-31T12:00:00.123456000Z stdout F \n"
    assert record(b"\xff\0").cri() == b"2026-01-31T12:00:00.123456000Z stdout F \xff\0\n"


def test_the_file_has_both_streams_in_the_order_in_which_they_came(output: Output) -> None:
    output.add("stdout", [(b"one", True), (b"two", False)])
    output.add("stderr", lines(b"three"))
    time = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"

    assert re.fullmatch(
        b"%s stdout P one\n%s stdout F two\n%s stderr F three\n" % (time, time, time),
        Path(output.path).read_bytes(),
    )
    assert output.lost == 0


def test_an_instance_that_printed_nothing_has_no_file(output: Output) -> None:
    output.add("stdout", [])

    assert not Path(output.path).exists()


def test_the_file_is_continued_by_the_next_daemon(output: Output) -> None:
    output.add("stdout", lines(b"one"))
    output.close()
    next_output = Output("p", output.path)
    next_output.add("stdout", lines(b"two"))

    assert [line.split()[-1] for line in Path(output.path).read_bytes().splitlines()] == [b"one", b"two"]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_file_has_its_mode_whatever_the_umask(output: Output, umask: int) -> None:
    before = os.umask(umask)
    try:
        output.add("stdout", lines(b"one"))
    finally:
        os.umask(before)

    assert oct(os.stat(output.path).st_mode) == oct(0o100640)


def test_a_link_in_the_place_of_the_file_is_not_followed(output: Output, tmp_path: Path) -> None:
    target = tmp_path / "shadow"
    target.write_bytes(b"precious\n")
    os.symlink(target, output.path)
    output.add("stdout", lines(b"one"))

    assert target.read_bytes() == b"precious\n"
    assert output.lost == len(output.last(1)[0].cri())


@contextmanager
def room_for(output: Output, size: int) -> Iterator[None]:
    """The disk takes only `size` bytes more for the file (setrlimit(2))."""
    held = os.stat(output.path).st_size if os.path.exists(output.path) else 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (held + size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_a_full_disk_does_not_take_is_counted(output: Output) -> None:
    with room_for(output, 0):
        output.add("stdout", lines(b"one", b"two"))
        output.add("stderr", lines(b"three"))

    assert output.lost == sum(len(record.cri()) for record in output.last(10))
    assert [record.line for record in output.last(10)] == [b"one", b"two", b"three"]


def test_a_record_for_which_there_was_no_room_spoils_no_other(output: Output) -> None:
    with room_for(output, 10):
        output.add("stdout", lines(b"one"))
    output.add("stdout", lines(b"two"))
    one, two = output.last(2)
    torn, *whole = Path(output.path).read_bytes().splitlines(keepends=True)

    assert (torn, whole) == (one.cri()[:10] + b"\n", [two.cri()])
    assert output.lost == len(one.cri()) - 10


def test_writing_goes_on_when_it_is_possible_again(tmp_path: Path) -> None:
    output = Output("p", str(tmp_path / "later" / "p.log"))
    output.add("stdout", lines(b"one"))
    lost = output.lost
    (tmp_path / "later").mkdir()
    output.add("stdout", lines(b"two"))

    assert Path(output.path).read_bytes().endswith(b" stdout F two\n")
    assert output.lost == lost > 0


# The ring.


def test_the_ring_has_the_newest_records_up_to_its_size() -> None:
    cost = RECORD_COST + 1
    ring = Ring(3 * cost)
    for line in (b"a", b"b", b"c", b"d"):
        ring.add(record(line))

    assert [one.line for one in ring] == [b"b", b"c", b"d"]


def test_a_long_record_takes_the_room_of_several() -> None:
    ring = Ring(3 * (RECORD_COST + 1))
    for line in (b"a", b"b", b"c", b"x" * (RECORD_COST + 2)):
        ring.add(record(line))

    assert [one.line[:1] for one in ring] == [b"c", b"x"]


def test_a_record_larger_than_the_ring_leaves_it_empty() -> None:
    ring = Ring(RECORD_COST)
    ring.add(record(b"a"))

    assert list(ring) == []


def test_empty_lines_are_bounded_as_well(output: Output) -> None:
    output.add("stdout", lines(*[b""] * (RING_SIZE // RECORD_COST + 10)))

    assert len(output.last(10**6)) == RING_SIZE // RECORD_COST


def test_the_last_records_are_given_oldest_first_and_by_stream(output: Output) -> None:
    for number in range(3):
        output.add("stdout", lines(b"out%d" % number))
        output.add("stderr", lines(b"err%d" % number))

    assert [one.line for one in output.last(3)] == [b"err1", b"out2", b"err2"]
    assert [one.line for one in output.last(2, "stderr")] == [b"err1", b"err2"]
    assert output.last(0) == []
    assert len(output.last(100)) == 6


# Followers.


@pytest.mark.anyio
async def test_a_follower_gets_what_comes_while_it_follows(output: Output) -> None:
    follower = Follower()
    output.add("stdout", lines(b"before"))
    with output.followed(follower):
        output.add("stdout", lines(b"one", b"two"))
        output.add("stderr", lines(b"three"))
    output.add("stdout", lines(b"after"))
    records, missed = await follower.take()

    assert [one.line for one in records] == [b"one", b"two", b"three"]
    assert missed == 0


@pytest.mark.anyio
async def test_a_follower_waits_for_news(output: Output) -> None:
    follower, taken = Follower(), list[Record]()

    async def take() -> None:
        taken.extend((await follower.take())[0])

    with output.followed(follower), anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            assert taken == []
            output.add("stdout", lines(b"one"))

    assert [one.line for one in taken] == [b"one"]


@pytest.mark.anyio
async def test_a_slow_follower_costs_a_bounded_number_of_bytes_and_is_told_what_it_missed() -> None:
    follower = Follower()
    fitting = 1024 * 1024 // (RECORD_COST + 100)
    follower.offer(record(b"x" * 100) for _ in range(fitting + 5))
    records, missed = await follower.take()

    assert len(records) == fitting
    assert missed == 5 * (100 + 1)


@pytest.mark.anyio
async def test_a_follower_that_caught_up_has_all_its_room_again() -> None:
    follower = Follower()
    fitting = FOLLOWER_SIZE // (RECORD_COST + 100)
    for _ in range(2):
        follower.offer(record(b"x" * 100) for _ in range(fitting + 1))
        records, missed = await follower.take()

        assert (len(records), missed) == (fitting, 101)


@pytest.mark.anyio
async def test_what_is_missed_lies_after_all_that_was_kept() -> None:
    follower = Follower()
    almost = [record(b"x" * 1000) for _ in range(FOLLOWER_SIZE // (RECORD_COST + 1000))]
    follower.offer([*almost, record(b"y" * 1000), record(b"z")])
    records, missed = await follower.take()

    assert [one.line[:1] for one in records] == [b"x"] * len(almost)
    assert missed == 1001 + 2


@pytest.mark.anyio
async def test_a_follower_that_only_missed_something_is_told_so(output: Output) -> None:
    follower = Follower()
    follower.offer([record(b"x" * FOLLOWER_SIZE)])
    with anyio.fail_after(10):
        assert await follower.take() == ([], FOLLOWER_SIZE + 1)

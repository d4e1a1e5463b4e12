"""Who follows sees what comes, and is told what was too much."""

from __future__ import annotations

import anyio
import pytest

from gleitzeitd.processes.logs.follower import FOLLOWER_SIZE, MOUTHFUL, Follower
from gleitzeitd.processes.logs.lines import CHUNK_COST, Chunk

pytestmark = pytest.mark.anyio

LARGE = 10_000
FITTING = FOLLOWER_SIZE // (LARGE + CHUNK_COST)


def chunk(data: bytes, stream: str = "stdout") -> Chunk:
    return Chunk("p", "now", stream, data)


def large(letter: bytes) -> Chunk:
    return chunk(letter * (LARGE - 1) + b"\n")


async def taken(follower: Follower) -> tuple[list[bytes], int]:
    with anyio.fail_after(10):
        records, missed = await follower.take()
        return [record.line for record in records], missed


async def until_missed(follower: Follower) -> tuple[int, int]:
    """How many lines come before the gap, and the bytes of the gap."""
    lines = 0
    while True:
        records, missed = await taken(follower)
        if missed:
            assert records == []
            return lines, missed
        lines += len(records)


async def test_a_follower_waits_for_news() -> None:
    follower, seen = Follower(), list[bytes]()

    async def follow() -> None:
        seen.extend((await taken(follower))[0])

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            assert seen == []
            follower.offer(chunk(b"one\ntwo\n"))

    assert seen == [b"one", b"two"]


async def test_a_slow_follower_holds_a_bounded_number_of_bytes_and_is_told_what_it_missed() -> None:
    follower = Follower()
    for _ in range(FITTING + 5):
        follower.offer(large(b"x"))

    assert await until_missed(follower) == (FITTING, 5 * LARGE)


async def test_small_chunks_are_bounded_as_well() -> None:
    follower = Follower()
    fitting = FOLLOWER_SIZE // (CHUNK_COST + 1)
    for _ in range(fitting + 3):
        follower.offer(chunk(b"\n"))

    assert await until_missed(follower) == (fitting, 3)


async def test_what_is_missed_lies_after_all_that_was_kept() -> None:
    """Seen to fail when what was smaller than the room left was kept after a gap."""
    follower = Follower()
    for _ in range(FITTING + 1):
        follower.offer(large(b"x"))
    follower.offer(chunk(b"small\n"))

    assert await until_missed(follower) == (FITTING, LARGE + len(b"small\n"))


async def test_a_follower_that_caught_up_has_all_its_room_again() -> None:
    follower = Follower()
    for _ in range(2):
        for _ in range(FITTING + 1):
            follower.offer(large(b"x"))

        assert await until_missed(follower) == (FITTING, LARGE)


async def test_what_a_reader_takes_at_once_is_little() -> None:
    """It is held by the reader beside what goes on to be offered. Seen to fail when all was taken."""
    follower = Follower()
    for _ in range(FITTING):
        follower.offer(large(b"x"))
    lines, _ = await taken(follower)

    assert 0 < len(lines) * (LARGE + CHUNK_COST) < MOUTHFUL + LARGE + CHUNK_COST


async def test_who_wants_one_stream_misses_nothing_of_it_for_the_other() -> None:
    follower = Follower("stderr")
    for _ in range(2 * FITTING):
        follower.offer(large(b"x"))
    follower.offer(chunk(b"wrong\n", "stderr"))

    assert await taken(follower) == ([b"wrong"], 0)

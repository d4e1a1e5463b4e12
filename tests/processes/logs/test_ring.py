"""The newest output in memory: bounded, and cut only where it is wanted."""

from __future__ import annotations

from gleitzeitd.processes.logs.lines import CHUNK_COST, Chunk
from gleitzeitd.processes.logs.ring import Ring, newest


def chunk(data: bytes) -> Chunk:
    return Chunk("p", "now", "stdout", data)


def test_the_ring_has_the_newest_chunks_that_fill_it() -> None:
    ring = Ring(3 * (CHUNK_COST + 1))
    for data in (b"a", b"b", b"c", b"d"):
        ring.add(chunk(data))

    assert [one.data for one in ring] == [b"b", b"c", b"d"]


def test_the_ring_holds_no_chunk_more_than_it_needs() -> None:
    ring = Ring(1000)
    for number in range(1000):
        ring.add(chunk(b"x" * (number % 7 * 50)))
        costs = [one.cost for one in ring]
        assert sum(costs[1:]) < 1000


def test_the_last_chunk_is_kept_however_large() -> None:
    ring = Ring(10)
    ring.add(chunk(b"a"))
    ring.add(chunk(b"x" * 1000))

    assert [len(one.data) for one in ring] == [1000]


def test_the_newest_lines_come_from_the_last_chunks() -> None:
    chunks = [chunk(b"one\ntwo\n"), chunk(b"three\n"), chunk(b"four\nfive\n")]

    assert [one.data for one in newest(chunks, 1)] == [b"five\n"]
    assert [one.data for one in newest(chunks, 4)] == [b"two\n", b"three\n", b"four\nfive\n"]
    assert newest(chunks, 100) == chunks
    assert newest(chunks, 0) == []

"""The newest output, in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from gleitzeitd.processes.logs.lines import Chunk


class Ring:
    """The newest chunks: as few as hold a number of bytes."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._chunks: deque[Chunk] = deque()

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self._held += chunk.cost
        while self._held - self._chunks[0].cost >= self._size:
            self._held -= self._chunks.popleft().cost

    def __iter__(self) -> Iterator[Chunk]:
        return iter(tuple(self._chunks))


def newest(chunks: Iterable[Chunk], count: int) -> list[Chunk]:
    """The last `count` records of `chunks`, which are in the order of their time."""
    found: list[Chunk] = []
    for chunk in reversed(tuple(chunks)):
        if count <= 0:
            break
        shortened, records = chunk.last(count)
        found.append(shortened)
        count -= records
    return found[::-1]

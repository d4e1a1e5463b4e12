"""Providers' output for one reader: the newest lines, then, when it follows, what comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import anyio.lowlevel

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.names import chosen
from gleitzeitd.processes.logs.follower import Follower
from gleitzeitd.processes.logs.lines import Chunk, Record
from gleitzeitd.processes.logs.output import Output
from gleitzeitd.processes.logs.ring import newest
from gleitzeitd.processes.supervisor import Supervisor

TURN = 100
"""Records after which others have their turn."""
MOST_PAST = 1024 * 1024
"""Bytes of what was printed before that are kept for one reader."""
Write = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tail:
    """Which output is wanted."""

    outputs: tuple[Output, ...]
    count: int
    stream: str | None
    follow: bool

    @classmethod
    def read(cls, supervisor: Supervisor, query: Mapping[str, str]) -> Tail:
        """Raises CallError for a name or a number that cannot be."""
        outputs, stream = _chosen(supervisor, query.get("name")), query.get("stream")
        if stream not in (None, "stdout", "stderr"):
            raise CallError("invalid_request", f"`stream` must be stdout or stderr, not {stream[:40]!r}")
        return cls(outputs, _count(query), stream, query.get("follow") == "1")

    async def send(self, write: Write) -> None:
        follower = Follower(self.stream)
        with ExitStack() as stack:
            # Followed before the past is read, so that nothing falls between the two.
            for output in self.outputs if self.follow else ():
                stack.enter_context(output.followed(follower))
            for chunk in self._past():
                await _write_all(chunk.records(), write)
            while self.follow:
                records, missed = await follower.take()
                await _write_all(records, write)
                if missed:
                    await write({"instance": None, "missed": missed})

    def _past(self) -> list[Chunk]:
        chunks = (chunk for output in self.outputs for chunk in output.newest(self.count, self.stream))
        return _bounded(newest(sorted(chunks, key=lambda chunk: chunk.time), self.count))


async def _write_all(records: Iterable[Record], write: Write) -> None:
    for at, record in enumerate(records, start=1):
        await write(_shown(record))
        if at % TURN == 0:
            # A write that need not wait gives nobody else a turn.
            await anyio.lowlevel.checkpoint()


def _bounded(chunks: list[Chunk]) -> list[Chunk]:
    """The newest of them: what a reader who stops reading holds in memory has a bound."""
    held = 0
    for at, chunk in enumerate(reversed(chunks)):
        held += chunk.cost
        if held > MOST_PAST:
            return chunks[len(chunks) - at :]
    return chunks


def _chosen(supervisor: Supervisor, name: str | None) -> tuple[Output, ...]:
    names = chosen(supervisor, ["all" if name is None else name])
    return tuple(supervisor.instances[name].output for name in names)


def _count(query: Mapping[str, str]) -> int:
    given = query.get("n", "100")
    if not given.isdecimal() or len(given) > 9:
        raise CallError("invalid_request", f"`n` must be a number of lines, not {given[:40]!r}")
    return int(given)


def _shown(record: Record) -> dict[str, Any]:
    return {
        "instance": record.instance,
        "time": record.time,
        "stream": record.stream,
        "line": record.shown(),
        "partial": record.partial,
    }

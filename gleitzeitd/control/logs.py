"""Providers' output for one reader: the newest lines, then, when it follows, what comes."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
from multidict import MultiMapping

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.names import chosen
from gleitzeitd.processes.logs.follower import Follower
from gleitzeitd.processes.logs.lines import Chunk, Record
from gleitzeitd.processes.logs.output import Output
from gleitzeitd.processes.logs.ring import newest
from gleitzeitd.processes.supervisor import Supervisor

TURN = 100
"""Records after which others have their turn."""
MOST_LINES = 1_000_000
"""More than what is in memory can have."""
MOST_PAST = 1024 * 1024
"""Bytes of what was printed before that are kept for one reader."""
Write = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Tail:
    """Which output is wanted."""

    supervisor: Supervisor
    names: tuple[str, ...]
    count: int
    stream: str | None
    since: str
    follow: bool

    @classmethod
    def read(cls, supervisor: Supervisor, query: MultiMapping[str]) -> Tail:
        """Raises CallError for a name or a number that cannot be."""
        names, stream = tuple(query.getall("name", ["all"])), query.get("stream")
        chosen(supervisor, names)
        if stream not in (None, "stdout", "stderr"):
            raise CallError("invalid_request", f"`stream` must be stdout or stderr, not {stream[:40]!r}")
        since = query.get("since", "")
        return cls(supervisor, names, _count(query), stream, since, query.get("follow") == "1")

    async def send(self, write: Write) -> None:
        if not self.follow:
            return await self._send_past(self._outputs(), write)
        follower = Follower(self.stream)
        async with anyio.create_task_group() as tasks:
            with ExitStack() as stack:
                # Followed before the past is read, so that nothing falls between the two.
                past = self._outputs()
                for output in past:
                    stack.enter_context(output.followed(follower))
                tasks.start_soon(self._follow_newcomers, set(past), follower, stack)
                await self._send_past(past, write)
                while True:
                    records, missed = await follower.take()
                    await _write_all(records, write)
                    if missed:
                        await write(_missed(missed, follower.last_missed()))

    async def _follow_newcomers(self, known: set[Output], follower: Follower, stack: ExitStack) -> None:
        """Have what a reload adds followed as well, from its first byte on."""
        while True:
            await self.supervisor.until(lambda: not known.issuperset(self._outputs()))
            for output in set(self._outputs()) - known:
                for chunk in output.newest(MOST_LINES, self.stream):
                    follower.offer(chunk)
                stack.enter_context(output.followed(follower))
                known.add(output)

    def _outputs(self) -> list[Output]:
        """Of those that the names mean now; they may mean nobody for a while."""
        with suppress(CallError):
            return [self.supervisor.instances[name].output for name in chosen(self.supervisor, self.names)]
        return []

    async def _send_past(self, outputs: Iterable[Output], write: Write) -> None:
        chunks = (chunk for output in outputs for chunk in output.newest(self.count, self.stream))
        wanted = [chunk for chunk in chunks if chunk.time >= self.since]
        past = newest(sorted(wanted, key=lambda chunk: chunk.time), self.count)
        start = _start(past)
        if start and self.follow:
            await write(_missed(sum(len(chunk.data) for chunk in past[:start]), _last(past[:start])))
        for chunk in past[start:]:
            await _write_all(chunk.records(), write)


def files(supervisor: Supervisor, names: Iterable[str], directory: str) -> dict[str, Any]:
    """Where the files of these lie, and whose they are. Raises CallError `not_found.provider`."""
    return {"directory": directory, "instances": chosen(supervisor, names)}


async def _write_all(records: Iterable[Record], write: Write) -> None:
    for at, record in enumerate(records, start=1):
        await write(_shown(record))
        if at % TURN == 0:
            # A write that need not wait gives nobody else a turn.
            await anyio.lowlevel.checkpoint()


def _start(chunks: list[Chunk]) -> int:
    """Where the newest of them begin: what a reader who stops reading holds in memory has a bound."""
    held = 0
    for at, chunk in enumerate(reversed(chunks)):
        held += chunk.cost
        if held > MOST_PAST:
            return len(chunks) - at
    return 0


def _last(chunks: Iterable[Chunk]) -> dict[str, str]:
    """The time of the last of each instance."""
    return {chunk.instance: chunk.time for chunk in chunks}


def _missed(size: int, last: Mapping[str, str]) -> dict[str, Any]:
    """So many bytes are not told, and up to when."""
    return {"instance": None, "missed": size, "last": last}


def _count(query: Mapping[str, str]) -> int:
    given = query.get("n", "100")
    if not given.isdecimal() or len(given) > 9:
        raise CallError("invalid_request", f"`n` must be a number of lines, not {given[:40]!r}")
    return int(given)


def _shown(record: Record) -> dict[str, Any]:
    line = record.shown()
    shown = {
        "instance": record.instance,
        "time": record.time,
        "stream": record.stream,
        "line": line,
        "partial": record.partial,
    }
    if "\ufffd" in line:
        shown["raw"] = base64.b64encode(record.line).decode()
    return shown

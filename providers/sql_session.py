"""One transaction of one call: whoever leaves it ends the statement in the database, not just the wait."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from providers.sql_server import INTERRUPT_WITHIN, Server
from providers.sql_values import TookTooLong, bulk, plain

if TYPE_CHECKING:
    from sqlalchemy import TextClause
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncResult

AGAIN_AFTER = 0.25
"""Seconds until a statement that was interrupted before it began is interrupted again."""

MOST_AT_ONCE = 100
"""Rows that are taken from the database at a time."""

Row = tuple[list[Any], int]

T = TypeVar("T")


class Session:
    """A connection in a transaction that is rolled back unless it was committed."""

    def __init__(self, server: Server, connection: AsyncConnection, driver: Any, seconds: float) -> None:
        self.server, self.connection, self.driver = server, connection, driver
        self._seconds = seconds
        self.renew()
        self.is_dropped = False
        """Whether the connection cannot be used again."""

    def renew(self) -> None:
        """From now on there are `seconds` again."""
        self._ends = time.monotonic() + self._seconds

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Something that waits for the database, until `seconds` are over since they were renewed."""
        # In a task of its own: a driver that is cancelled may wait for the end of what it was to give up.
        task = asyncio.create_task(work)
        try:
            await asyncio.wait([task], timeout=max(0.0, self._ends - time.monotonic()))
            if task.done():
                return task.result()
            raise TookTooLong(self._seconds)
        finally:
            if not task.done():
                await self._ended(task)

    async def selected(self, clause: TextClause, values: dict[str, Any]) -> AsyncResult[Any]:
        """The result of a SELECT, of which no row was read yet."""
        async with self.server.guarded(self.connection, clause.bindparams(**values)):
            return await self.connection.stream(clause, values)

    async def changed(self, clause: TextClause, values: Any, most: int) -> dict[str, Any]:
        """What a statement did, or what it did with each of several sets of values."""
        async with self.server.guarded(self.connection, None):
            result = await self.connection.execute(clause, values)
        done = {
            "row_count": max(0, result.rowcount),
            "last_id": self.server.last_id(result) if isinstance(values, dict) else None,
        }
        if not result.returns_rows:
            return done
        rows = [[plain(value) for value in row] for row in result.fetchmany(most + 1)]
        return {**done, "columns": list(result.keys()), "rows": rows[:most], "truncated": len(rows) > most}

    @property
    def has_ended(self) -> bool:
        """Whether a statement committed or rolled back."""
        return self.server.has_ended(self.driver)

    async def read(
        self, result: AsyncResult[Any], max_bytes: int
    ) -> AsyncGenerator[tuple[list[Any], int], None]:
        """Its rows, and the bytes that each has as JSON; a row of more than `max_bytes` comes empty."""
        at_once, largest = 1, 1
        while rows := await self.run(result.fetchmany(at_once)):
            for row in rows:
                values, size = _fitted(row, max_bytes)
                largest = max(largest, size)
                yield values, size
            at_once = max(1, min(MOST_AT_ONCE, max_bytes // largest))

    async def leave(self) -> None:
        """Decline the rows that were not read."""
        if self.server.reads_to_the_end:
            await self._interrupted()
            await self._dropped()

    async def _ended(self, task: asyncio.Task[Any]) -> None:
        # It is known why it fails.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * INTERRUPT_WITHIN):
                while not task.done():
                    await self._interrupted()
                    await asyncio.wait([task], timeout=AGAIN_AFTER)
        if not task.done():
            task.cancel()
            await self._dropped()
            await asyncio.wait([task], timeout=INTERRUPT_WITHIN)

    async def _interrupted(self) -> None:
        # A server that is gone cannot be asked, and needs not be.
        with suppress(Exception):
            await self.server.interrupt(self.driver)

    async def _dropped(self) -> None:
        self.is_dropped = True
        with suppress(Exception):
            await self.server.drop(self.driver)


def _fitted(row: Any, max_bytes: int) -> tuple[list[Any], int]:
    size = sum(map(bulk, row))
    if size > max_bytes:
        return [], size
    values = [plain(value) for value in row]
    return values, len(json.dumps(values, ensure_ascii=False).encode(errors="replace"))

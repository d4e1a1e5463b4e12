"""SQLite, by aiosqlite."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, NullPool, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers.sql_server import ONE_SELECT, ONLY_READS, Server

LOCKED_FOR = 5.0
"""Seconds that a file of SQLite's may be locked by others; the wait for it cannot be interrupted."""

LARGEST_VALUE = 16 * 1024 * 1024
"""Bytes of a value or row that SQLite makes or reads."""

NEVER = (
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_PRAGMA,
    sqlite3.SQLITE_TRANSACTION,
)
"""What reaches other files, ends the transaction, or would switch off what is set here."""


class SQLite(Server):
    """Reads a file that is opened read only, and reaches no other.

    Statements are not told apart by what they do: virtual tables prepare writes even as they are only read.
    """

    def engine(self) -> AsyncEngine:
        path = Path(self.url.database or "").expanduser().absolute()
        mode = "rwc" if self.writes else "ro"
        return create_async_engine(
            URL.create(
                "sqlite+aiosqlite", database=f"file:{quote(str(path))}", query={"mode": mode, "uri": "true"}
            ),
            hide_parameters=True,
            # To open a file is cheap, and a session keeps nothing then.
            poolclass=NullPool,
            connect_args={"factory": _File, "timeout": LOCKED_FOR},
        )

    async def begin(self, connection: AsyncConnection, seconds: float | None) -> None:
        if not self.writes:
            await connection.execute(text("PRAGMA query_only = ON"))
        await connection.execute(text("BEGIN IMMEDIATE" if self.writes else "BEGIN"))

    @asynccontextmanager
    async def guarded(self, connection: AsyncConnection, clause: TextClause | None) -> AsyncIterator[None]:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.set_authorizer(_authorized)
        try:
            yield
        finally:
            await driver.set_authorizer(None)

    async def interrupt(self, driver: Any) -> None:
        await driver.interrupt()

    async def drop(self, driver: Any) -> None:
        driver.stop()

    def has_ended(self, driver: Any) -> bool:
        return not driver.in_transaction

    def refusal(self, error: BaseException, said: str) -> CallError | None:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_INTERRUPT:
                return None
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return Unavailable(said)
            case sqlite3.SQLITE_READONLY:
                return InvalidRequest(f"{ONLY_READS}: {said}")
            case sqlite3.SQLITE_AUTH:
                never = "PRAGMA, ATTACH and COMMIT are never allowed"
                return InvalidRequest(f"{said}: {never if self.writes else ONE_SELECT}")
            case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
                return CallError("provider_error", f"{said}: {self.url.database} (is url right?)")
            case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_FULL | sqlite3.SQLITE_PERM:
                return CallError("provider_error", f"{said}: {self.url.database}")
        return InvalidRequest(said)


class _File(sqlite3.Connection):
    """A connection that takes no values too large for a process, and does not fail for a bad letter."""

    def __init__(self, *args: Any, **how: Any) -> None:
        super().__init__(*args, **how)
        self.text_factory = lambda data: data.decode(errors="replace")
        self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)


def _authorized(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    match action, first, second:
        case sqlite3.SQLITE_PRAGMA, "data_version", _:
            # Full-text search asks for it in each of its reads.
            return sqlite3.SQLITE_OK
        case sqlite3.SQLITE_FUNCTION, _, "regexp":
            # SQLAlchemy's is Python's: a bad pattern would hold up the whole process.
            return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_DENY if action in NEVER else sqlite3.SQLITE_OK

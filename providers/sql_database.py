"""A database that calls share: its connections, their sessions, and what the errors of the libraries are."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import URL, make_url, text
from sqlalchemy import exc as of
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable, current_call
from providers.sql_mariadb import MariaDB
from providers.sql_postgresql import PostgreSQL
from providers.sql_server import ONE_SELECT, Server
from providers.sql_session import Session
from providers.sql_sqlite import SQLite
from providers.sql_values import TookTooLong

SERVERS: dict[str, type[Server]] = {
    "sqlite": SQLite,
    "postgresql": PostgreSQL,
    "postgres": PostgreSQL,
    "mariadb": MariaDB,
    "mysql": MariaDB,
}

LONGEST_REFUSAL = 2000
"""Characters of an error of the database's that the caller is told."""


class Database:
    """One database; a statement may take `timeout` seconds."""

    def __init__(self, url: str, *, writes: bool, schema: str, connections: int, timeout: float) -> None:
        read = _read(url)
        self._connections, self.timeout = connections, timeout
        kind = SERVERS[read.get_backend_name()]
        self.server = kind(read, writes, schema, connections)
        self._free = asyncio.Semaphore(connections)
        self._engine: AsyncEngine | None = None

    @asynccontextmanager
    async def session(self, streams: bool = False) -> AsyncIterator[Session]:
        """A transaction of this call's, which is rolled back at the end unless it was committed."""
        call = current_call()
        left = call.seconds_left if call else None
        seconds = self.timeout if left is None else min(self.timeout, left)
        async with self.told(), AsyncExitStack() as stack:
            connection = await self._connected(stack, seconds)
            driver = (await connection.get_raw_connection()).driver_connection
            session = Session(self.server, connection, driver, seconds)
            try:
                # Of a stream each item has its own time, which the server cannot know.
                await session.run(self.server.begin(connection, left if streams else seconds))
                yield session
            finally:
                if session.is_dropped:
                    await connection.invalidate()

    async def commit(self, session: Session) -> None:
        """Have a session keep what it did."""
        session.renew()
        try:
            async with self.told():
                await session.run(session.connection.commit())
        except (Unavailable, TookTooLong) as exc:
            raise CallError("provider_error", f"nobody knows whether it was done: {exc.message}") from exc

    async def answers(self, within: float) -> None:
        """Raises what is wrong with it; no other call has to end for that."""
        async with self.told(), asyncio.timeout(within), self._started().connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        engine, self._engine = self._engine, None
        if engine:
            await engine.dispose()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """What the libraries raise, as what it is to the caller."""
        try:
            yield
        except of.DBAPIError as exc:
            raise self._refusal(exc.orig or exc) from exc
        except (of.StatementError, sqlite3.Warning, OverflowError) as exc:
            raise InvalidRequest(_words(getattr(exc, "orig", None) or exc)) from exc
        except of.ResourceClosedError as exc:
            raise InvalidRequest(f"the statement gives no rows: {ONE_SELECT}") from exc
        except of.SQLAlchemyError as exc:
            raise CallError("provider_error", _words(exc)) from exc
        except RecursionError as exc:
            raise InvalidRequest("a value is nested too deeply") from exc
        except (OSError, TimeoutError) as exc:
            raise Unavailable(f"no connection to the database: {_words(exc) or 'it is silent'}") from exc

    async def _connected(self, stack: AsyncExitStack, seconds: float) -> AsyncConnection:
        try:
            async with asyncio.timeout(seconds):
                await stack.enter_async_context(self._free)
                return await stack.enter_async_context(self._started().connect())
        except TimeoutError as exc:
            why = f"all {self._connections} are in use" if self._free.locked() else "it is silent"
            raise Unavailable(f"no connection to the database within {seconds:g} s: {why}") from exc

    def _started(self) -> AsyncEngine:
        if self._engine is None:
            self._engine = self.server.engine()
        return self._engine

    def _refusal(self, error: BaseException) -> CallError:
        said = _words(self.server.said(error))
        return self.server.refusal(error, said) or TookTooLong(self.timeout)


def _words(said: object) -> str:
    """In one line. The drivers do not repeat the password; to hide it here would help to guess it."""
    return " ".join(str(said).split())[:LONGEST_REFUSAL]


def _read(url: str) -> URL:
    """What is in it may be a password: no error repeats it."""
    try:
        made = make_url(url)
    except (of.ArgumentError, ValueError):
        made = None
    if made is None:
        raise ValueError(
            "url cannot be read: in a name or password, write %40 for @, %2F for /, %3A for : and %25 for %"
        )
    if made.drivername.startswith("sqlite") and made.database in (None, "", ":memory:"):
        raise ValueError("url names no file: write it like sqlite:////var/lib/app/app.db")
    return made

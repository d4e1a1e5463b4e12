"""A database that speaks SQL, by SQLAlchemy: SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from gleitzeit_extensions import (
    CallError,
    InvalidRequest,
    SocketIOProviderClient,
    idempotent,
)
from providers.sql_values import clean, statement, with_sets

if TYPE_CHECKING:
    from sqlalchemy.engine import Inspector
    from sqlalchemy.ext.asyncio import AsyncResult

    from providers.sql_session import Session

HEALTH_WITHIN = 2.0
"""Seconds in which a database that is well answers a question about its health."""

DRIVERS = {
    "sqlite": "aiosqlite",
    "postgresql": "psycopg",
    "postgres": "psycopg",
    "mariadb": "aiomysql",
    "mysql": "aiomysql",
}

Item = dict[str, Any]

T = TypeVar("T")


class SQLProvider(SocketIOProviderClient):
    """A SQLite, PostgreSQL or MariaDB database. It only reads, unless `allow_writes` says otherwise."""

    checks_config = True

    def __init__(
        self,
        *,
        url: str,
        allow_writes: bool = False,
        max_rows: int = 1000,
        max_bytes: int = 1_000_000,
        timeout: float = 30.0,
        connections: int = 5,
        schema: str = "",
        **kwargs: Any,
    ) -> None:
        """Nothing is opened before the first call.

        Args:
            url: Where the database is: `sqlite:////var/lib/app/app.db`, `postgresql://user@host/name` or
                `mariadb://user@host/name`. A password belongs in it as a variable:
                `postgresql://app:${APP_DB_PASSWORD}@host/name`. It is never shown.
            allow_writes: Whether `execute` and `transaction` may change the database. Without it every
                transaction is read only, which the database enforces.
            max_rows: Rows that `query` answers at most.
            max_bytes: Bytes that an answer of `query`, or an item of `stream_query`, has at most as JSON.
            timeout: Seconds that a statement may take; of a stream, each of its items.
            connections: Connections that are used at a time; further calls wait for one.
            schema: Where tables are looked for, instead of where the database looks.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["sql"])
        kwargs.setdefault("description", "A SQL database")
        super().__init__(**kwargs)
        for what, number in (("max_rows", max_rows), ("max_bytes", max_bytes), ("connections", connections)):
            if number < 1:
                raise ValueError(f"{what} is {number}: it is at least 1")
        if not 0 < timeout < math.inf:
            raise ValueError(f"timeout is {timeout:g}: it is more than 0 seconds")
        kind = url.partition(":")[0].partition("+")[0]
        if kind not in DRIVERS or "://" not in url:
            # What is in it may be a password: none of it is shown.
            raise ValueError("url begins with sqlite:///, postgresql:// or mariadb://, and this one does not")
        for package in ("sqlalchemy", "greenlet", DRIVERS[kind]):
            if find_spec(package) is None:
                raise ImportError(f"needs the package {package}: pip install 'gleitzeitd[sql]'")
        from providers.sql_database import Database

        self._database = Database(
            url, writes=allow_writes, schema=schema, connections=connections, timeout=timeout
        )
        self._writes, self._schema, self._max_rows, self._max_bytes = (
            allow_writes,
            schema,
            max_rows,
            max_bytes,
        )

    @idempotent
    async def query(self, sql: str, params: Item | None = None, max_rows: int | None = None) -> Item:
        """What a SELECT gives: `{columns, rows, truncated}`, each row a list in the order of the columns.

        Args:
            sql: one SELECT, with `:name` where a value belongs
            params: the values by name; a list for `IN :names`, and `{"base64": "..."}` for bytes
            max_rows: fewer than the provider's own limit
        """
        most = self._max_rows if max_rows is None else max(0, min(max_rows, self._max_rows))
        async with self._reading(sql, params) as (session, result):
            rows: list[Any] = []
            used, truncated = 0, False
            async with aclosing(session.read(result, self._max_bytes)) as found:
                async for row, size in found:
                    used += size
                    if truncated := len(rows) == most or used > self._max_bytes:
                        break
                    rows.append(row)
            if truncated:
                await session.leave()
                if not rows and most:
                    raise self._too_large(used)
        return {"columns": list(result.keys()), "rows": rows, "truncated": truncated}

    @idempotent
    async def stream_query(
        self, sql: str, params: Item | None = None, batch: int = 100
    ) -> AsyncIterator[Item]:
        """All that a SELECT gives, as it is read from the database: `{columns, rows}` again and again.

        Args:
            sql: one SELECT, with `:name` where a value belongs
            params: as for `query`
            batch: rows that an item has at most
        """
        if batch < 1:
            raise InvalidRequest("batch is at least 1")
        async with self._reading(sql, params, streams=True) as (session, result):
            columns, rows, used = list(result.keys()), list[Any](), 0
            done = False
            try:
                async with aclosing(session.read(result, self._max_bytes)) as found:
                    async for row, size in found:
                        if size > self._max_bytes:
                            raise self._too_large(size)
                        if len(rows) == batch or used + size > self._max_bytes:
                            yield {"columns": columns, "rows": rows}
                            rows, used = [], 0
                            session.renew()
                        rows.append(row)
                        used += size
                done = True
            finally:
                if not done:
                    await session.leave()
            yield {"columns": columns, "rows": rows}

    @idempotent
    async def tables(self, schema: str | None = None) -> Item:
        """The tables and views: `{tables: [{name, kind, schema}], truncated}`.

        Args:
            schema: where to look, instead of where the provider does
        """
        from providers.sql_tables import listed

        where = self._where(schema)
        items = await self._inspected(lambda inspector: listed(inspector, where))
        return {"tables": items[: self._max_rows], "truncated": len(items) > self._max_rows}

    @idempotent
    async def describe(self, table: str, schema: str | None = None) -> Item:
        """A table or view: `{name, columns, primary_key, foreign_keys, unique, indexes}`.

        A column is `{name, type, nullable, default, comment}`.

        Args:
            schema: where to look, instead of where the provider does
        """
        from providers.sql_tables import described

        where, name = self._where(schema), clean("table", table)
        return await self._inspected(lambda inspector: described(inspector, name, where))

    async def execute(self, sql: str, params: Item | list[Item] | None = None) -> Item:
        """Change the database by one statement: `{row_count, last_id}`, and `columns` and `rows` it returned.

        Nothing is changed when it fails. `last_id` is that of one row that SQLite or MariaDB inserted; on all
        three `INSERT ... RETURNING id` gives it, too.

        Args:
            sql: one statement, with `:name` where a value belongs
            params: the values by name; or a list of such, and the statement is run with each
        """
        (done,) = await self._written([(sql, params)])
        return done

    async def transaction(self, statements: list[Item]) -> list[Item]:
        """Change the database by several statements, all or none: what `execute` gives for each.

        Args:
            statements: each has `sql`, and may have `params`
        """
        pairs = []
        for number, item in enumerate(statements):
            sql, params = item.get("sql"), item.get("params")
            if not isinstance(sql, str) or not item.keys() <= {"sql", "params"}:
                raise InvalidRequest(f"statements[{number}] has sql, which is a string, and may have params")
            pairs.append((sql, params))
        return await self._written(pairs)

    async def get_health_status(self) -> Item:
        """A restart would not help a database that is down: it is given no calls instead."""
        try:
            await self._database.answers(HEALTH_WITHIN)
        except CallError as exc:
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True}

    async def on_disconnected(self) -> None:
        await self._database.close()

    @asynccontextmanager
    async def _reading(
        self, sql: str, params: Item | None, streams: bool = False
    ) -> AsyncIterator[tuple[Session, AsyncResult[Any]]]:
        clause, values = statement(sql, params)
        async with self._database.session(streams) as session:
            result = await session.run(session.selected(clause, values))
            try:
                yield session, result
            finally:
                if not session.is_dropped:
                    session.renew()
                    await session.run(result.close())

    async def _inspected(self, found: Callable[[Inspector], T]) -> T:
        from sqlalchemy import inspect

        async with self._database.session() as session:
            return await session.run(session.connection.run_sync(lambda sync: found(inspect(sync))))

    async def _written(self, pairs: list[tuple[str, Any]]) -> list[Item]:
        if not self._writes:
            raise InvalidRequest(f"{self.name} only reads: allow_writes is off")
        statements = [with_sets(sql, params) for sql, params in pairs]
        done: list[Item] = []
        async with self._database.session() as session:
            for clause, values in statements:
                if done and session.has_ended:
                    ended = f"statements[{len(done) - 1}] ended the transaction"
                    raise InvalidRequest(f"{ended}: it and those before it are done, the others are not")
                session.renew()
                try:
                    async with self._database.told():
                        done.append(await session.run(session.changed(clause, values, self._max_rows)))
                except InvalidRequest as exc:
                    where = f"statements[{len(done)}]: " if len(statements) > 1 else ""
                    raise InvalidRequest(f"{where}{exc.message}") from exc
            await self._database.commit(session)
        return done

    def _where(self, schema: str | None) -> str | None:
        return clean("schema", schema or self._schema) or None

    def _too_large(self, size: int) -> InvalidRequest:
        return InvalidRequest(
            f"a row has {size:,} bytes, and an answer may have {self._max_bytes:,} (max_bytes): "
            "select fewer columns, or parts of them"
        )

"""Vectors in PostgreSQL, compared by pgvector."""

from __future__ import annotations

import json
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers.vector_values import Collection, Condition, Row

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.sql import SQL, Composed

CONNECT_WITHIN = 10
"""Seconds that a connection may take."""

MOST_IDLE = 4
"""Connections that are kept for the next calls."""

LOCK = 0x676C6569747A
"""Of collections that are made and dropped, one at a time."""

CATALOG = """
CREATE TABLE IF NOT EXISTS gleitzeit_collections (name text PRIMARY KEY, dimensions int, metric text)
"""
UPSERT = """
INSERT INTO {} VALUES (%s, %s::vector, %s::json, %s) ON CONFLICT (id)
DO UPDATE SET vector = excluded.vector, metadata = excluded.metadata, text = excluded.text
"""
PASSING = (
    "starting up",
    "shutting down",
    "recovery",
    "too many",
    "remaining connection slots",
    "terminating",
)
"""How a server words what is over soon."""

DISTANCES = {"cosine": "<=>", "l2": "<->"}


class PostgreSQL:
    """One database. A connection that its server has dropped is replaced at the next call."""

    by = "pgvector"

    def __init__(self, url: str) -> None:
        self._url = url
        self._idle: list[AsyncConnection[Any]] = []
        self._is_prepared = False

    async def collections(self) -> list[Collection]:
        async with self._connection() as db:
            rows = await db.execute(
                'SELECT name, dimensions, metric FROM gleitzeit_collections ORDER BY name COLLATE "C"'
            )
            return [Collection(*row) async for row in rows]

    async def create(self, wanted: Collection) -> bool:
        async with self._connection() as db:
            await db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            added = await db.execute(
                "INSERT INTO gleitzeit_collections VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
                (wanted.name, wanted.dimensions, wanted.metric),
            )
            # json keeps a number as it came, and jsonb would make 1e300 one of 301 digits.
            columns = f"id text PRIMARY KEY, vector vector({wanted.dimensions:d}), metadata json, text text"
            if added.rowcount:
                await db.execute(_sql(f"CREATE TABLE {{}} ({columns})", wanted))
            return added.rowcount == 1

    async def drop(self, collection: Collection) -> None:
        async with self._connection() as db:
            await db.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            await db.execute("DELETE FROM gleitzeit_collections WHERE name = %s", (collection.name,))
            await db.execute(_sql("DROP TABLE IF EXISTS {}", collection))

    async def upsert(self, collection: Collection, rows: list[Row]) -> None:
        # In one order, so that two calls that have the same items cannot wait for each other.
        ordered = sorted(rows, key=lambda row: row.id)
        values = [(row.id, _literal(row.vector), row.metadata, row.text) for row in ordered]
        async with self._connection() as db, db.cursor() as cursor:
            await cursor.executemany(_sql(UPSERT, collection), values)

    async def get(self, collection: Collection, ids: list[str]) -> list[Row]:
        sql = "SELECT id, vector::text, metadata::text, text FROM {} WHERE id = ANY(%s)"
        async with self._connection() as db:
            rows = await db.execute(_sql(sql, collection), (ids,))
            return [
                Row(id, array("f", json.loads(vector)), metadata, text)
                async for id, vector, metadata, text in rows
            ]

    async def search(
        self, collection: Collection, vector: array[float], k: int, conditions: list[Condition]
    ) -> list[tuple[str, float, str, str | None]]:
        where, values = _where(conditions)
        # An index gives them by distance alone; which of those equally near are taken is decided after it.
        nearest = (
            f"SELECT id, vector {DISTANCES[collection.metric]} %s::vector AS distance, metadata, text"
            f" FROM {{}} WHERE {where} ORDER BY distance FETCH FIRST (%s) ROWS WITH TIES"
        )
        sql = (
            f"SELECT id, distance, metadata::text, text FROM ({nearest}) AS nearest"
            ' ORDER BY distance, id COLLATE "C" LIMIT %s'
        )
        async with self._connection() as db:
            rows = await db.execute(_sql(sql, collection), (_literal(vector), *values, k, k))
            return await rows.fetchall()

    async def delete(self, collection: Collection, ids: list[str] | None, conditions: list[Condition]) -> int:
        where, values = _where(conditions)
        if ids is not None:
            where, values = "id = ANY(%s)", [ids]
        async with self._connection() as db:
            return (await db.execute(_sql(f"DELETE FROM {{}} WHERE {where}", collection), values)).rowcount

    async def count(self, collection: Collection, conditions: list[Condition]) -> int:
        where, values = _where(conditions)
        async with self._connection() as db:
            found = await db.execute(_sql(f"SELECT count(*) FROM {{}} WHERE {where}", collection), values)
            return int((await found.fetchone() or (0,))[0])

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """One with a transaction, which is over when the block is; after an error it is not used again."""
        import psycopg

        connection: AsyncConnection[Any] | None = None
        try:
            connection = await self._taken()
            async with connection.transaction():
                yield connection
            if len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
                connection = None
        except psycopg.errors.UndefinedTable as exc:
            raise InvalidRequest("the collection was dropped meanwhile") from exc
        except (psycopg.OperationalError, psycopg.InterfaceError) as exc:
            if connection is None and _is_refusal(str(exc)):
                raise CallError("provider_error", f"no PostgreSQL: {_line(exc)} (is url right?)") from exc
            raise Unavailable(f"no PostgreSQL: {_line(exc)}") from exc
        except psycopg.Error as exc:
            raise CallError("provider_error", f"PostgreSQL refused: {_line(exc)}") from exc
        finally:
            if connection:
                await connection.close()

    async def _taken(self) -> AsyncConnection[Any]:
        import psycopg

        while self._idle:
            connection = self._idle.pop()
            with suppress(psycopg.Error):  # its server has gone, and may be back
                async with _closed_on_error(connection):
                    await connection.execute("")
                return connection
        try:
            connection = await psycopg.AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_WITHIN
            )
        except psycopg.ProgrammingError:  # whose words repeat the url, and with it the password
            raise CallError("provider_error", "url cannot be read as one of a PostgreSQL") from None
        if not self._is_prepared:
            async with _closed_on_error(connection):
                await self._prepare(connection)
        return connection

    async def _prepare(self, connection: AsyncConnection[Any]) -> None:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            await connection.execute(CATALOG)
        self._is_prepared = True


@asynccontextmanager
async def _closed_on_error(connection: AsyncConnection[Any]) -> AsyncIterator[None]:
    """Of which one is that the caller leaves."""
    try:
        yield
    except BaseException:
        await connection.close()
        raise


def _is_refusal(said: str) -> bool:
    """Whether a server does not let us in, as with a wrong password, and will not the next time either."""
    return "FATAL" in said and not any(words in said for words in PASSING)


def _where(conditions: list[Condition]) -> tuple[str, list[Any]]:
    """Names and values are bound, so that none of them can be SQL."""
    terms, values = ["true"], []
    for one in conditions:
        if one.operator == "=":
            terms.append("metadata::jsonb -> %s = %s::jsonb")
            values += [one.key, json.dumps(one.value)]
        elif isinstance(one.value, str):
            terms.append(
                "jsonb_typeof(metadata::jsonb -> %s) = 'string' AND (metadata::jsonb ->> %s) COLLATE \"C\""
                f" {one.operator} %s"
            )
            values += [one.key, one.key, one.value]
        else:
            terms.append(
                "jsonb_typeof(metadata::jsonb -> %s) = 'number'"
                f" AND metadata::jsonb -> %s {one.operator} %s::jsonb"
            )
            values += [one.key, one.key, json.dumps(one.value)]
    return " AND ".join(terms), values


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:1000]


def _sql(text: str, collection: Collection) -> Composed:
    from psycopg.sql import SQL, Identifier

    template: SQL = SQL(text)
    return template.format(Identifier(collection.table))


def _literal(vector: array[float]) -> str:
    return json.dumps(vector.tolist())

"""Vectors in an SQLite file: compared by sqlite-vec, or by Python where SQLite cannot load extensions.

Both are the same two functions in the same statements on the same file, which either may open.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from operator import mul
from pathlib import Path
from threading import Event
from typing import TypeVar

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers.interruptible import interruptible
from providers.vector_values import Collection, Condition, Row

Result = TypeVar("Result")

WAIT = 10.0
"""Seconds for which a change waits for another program's."""

LOOK_AGAIN = 0.01
"""Seconds after which a file that is locked is tried again, where SQLite itself does not wait."""

STEPS = 1000
"""Of SQLite's machine, some twenty for each item, after which is seen whether anybody still waits."""

DISTANCES = {"cosine": "vec_distance_cosine", "l2": "vec_distance_l2"}

CATALOG = """
CREATE TABLE IF NOT EXISTS gleitzeit_collections (name TEXT PRIMARY KEY, dimensions INTEGER, metric TEXT)
"""
TABLE = """
CREATE TABLE IF NOT EXISTS "{}"
(id TEXT PRIMARY KEY, vector BLOB CHECK (length(vector) = {}), metadata TEXT, text TEXT)
"""

NUMBER = 4
"""Bytes of a number of a vector."""

AMONG = "id IN (SELECT value FROM json_each(?))"

UPSERT = """
INSERT INTO "{}" VALUES (?, ?, ?, ?) ON CONFLICT (id)
DO UPDATE SET vector = excluded.vector, metadata = excluded.metadata, text = excluded.text
"""


class SQLite:
    """One file. Each call has a connection of its own, which costs less than a millisecond."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.by = "sqlite-vec" if _has_extension() else "python"

    async def collections(self) -> list[Collection]:
        return await self._read(
            lambda db: [
                Collection(*row) for row in db.execute("SELECT * FROM gleitzeit_collections ORDER BY name")
            ]
        )

    async def create(self, wanted: Collection) -> bool:
        def work(db: sqlite3.Connection) -> bool:
            values = (wanted.name, wanted.dimensions, wanted.metric)
            added = db.execute("INSERT OR IGNORE INTO gleitzeit_collections VALUES (?, ?, ?)", values)
            db.execute(TABLE.format(wanted.table, NUMBER * wanted.dimensions))
            return added.rowcount == 1

        return await self._change(work)

    async def drop(self, collection: Collection) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM gleitzeit_collections WHERE name = ?", (collection.name,))
            db.execute(f'DROP TABLE IF EXISTS "{collection.table}"')

        await self._change(work)

    async def upsert(self, collection: Collection, rows: list[Row]) -> None:
        values = [(row.id, row.vector.tobytes(), row.metadata, row.text) for row in rows]
        await self._change(lambda db: db.executemany(UPSERT.format(collection.table), values))

    async def get(self, collection: Collection, ids: list[str]) -> list[Row]:
        sql = f'SELECT id, vector, metadata, text FROM "{collection.table}" WHERE {AMONG}'
        return await self._read(
            lambda db: [
                Row(id, _vector(vector), metadata, text)
                for id, vector, metadata, text in db.execute(sql, (json.dumps(ids),))
            ]
        )

    async def search(
        self, collection: Collection, vector: array[float], k: int, conditions: list[Condition]
    ) -> list[tuple[str, float, str, str | None]]:
        where, values = _where(conditions)
        sql = (
            f"SELECT id, {DISTANCES[collection.metric]}(vector, ?) AS distance, metadata, text"
            f' FROM "{collection.table}" WHERE {where} ORDER BY distance, id LIMIT ?'
        )
        return await self._read(lambda db: db.execute(sql, (vector.tobytes(), *values, k)).fetchall())

    async def delete(self, collection: Collection, ids: list[str] | None, conditions: list[Condition]) -> int:
        where, values = _where(conditions)
        if ids is not None:
            where, values = AMONG, [json.dumps(ids)]
        sql = f'DELETE FROM "{collection.table}" WHERE {where}'
        return await self._change(lambda db: db.execute(sql, values).rowcount)

    async def count(self, collection: Collection, conditions: list[Condition]) -> int:
        where, values = _where(conditions)
        sql = f'SELECT count(*) FROM "{collection.table}" WHERE {where}'
        return await self._read(lambda db: int(db.execute(sql, values).fetchone()[0]))

    async def close(self) -> None:
        """Nothing is open between calls."""

    async def _change(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self._with(work, "BEGIN IMMEDIATE")

    async def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await self._with(work, "BEGIN")

    async def _with(self, work: Callable[[sqlite3.Connection], Result], begin: str) -> Result:
        def run(stopped: Event) -> Result:
            with _told(self._path), closing(self._opened()) as db:
                db.set_progress_handler(stopped.is_set, STEPS)
                db.execute(begin)
                result = work(db)
                # What nobody waits for is rolled back when the connection is closed.
                if not stopped.is_set():
                    db.execute("COMMIT")
                return result

        return await interruptible(run)

    def _opened(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=WAIT, isolation_level=None, check_same_thread=False)
        try:
            _have_a_log(db)
            db.execute("PRAGMA synchronous = FULL")
            db.execute(CATALOG)
            if self.by == "python":
                db.create_function("vec_distance_cosine", 2, _cosine, deterministic=True)
                db.create_function("vec_distance_l2", 2, _l2, deterministic=True)
            else:
                _load(db)
        except BaseException:
            db.close()
            raise
        return db


def _have_a_log(db: sqlite3.Connection) -> None:
    """SQLite waits for no other connection that makes the same of a new file: it says at once `locked`."""
    give_up = time.monotonic() + WAIT
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as exc:
            if "locked" not in str(exc) or time.monotonic() > give_up:
                raise
        time.sleep(LOOK_AGAIN)


def _where(conditions: list[Condition]) -> tuple[str, list[str]]:
    """Names and values are bound, so that none of them can be SQL."""
    terms, values = ["true"], []
    for one in conditions:
        kind = _kind(one)
        # Both sides are read by SQLite's own parser of numbers, whose last digit may differ from Python's.
        compare = (
            f"AND m.atom {one.operator} json_extract(?, '$')" if "text" in kind or "real" in kind else ""
        )
        terms.append(
            "EXISTS (SELECT 1 FROM json_each(metadata) AS m"
            f" WHERE m.key = ? AND m.type IN ({kind}) {compare})"
        )
        values += [one.key, *([json.dumps(one.value)] if compare else [])]
    return " AND ".join(terms), values


def _kind(condition: Condition) -> str:
    """The types, in SQLite's words, that can be compared with its value."""
    match condition.value:
        case None:
            return "'null'"
        case bool(value):
            return "'true'" if value else "'false'"
        case str():
            return "'text'"
    return "'integer', 'real'"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """The errors of SQLite's in our words; they hold no values."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        if "no such table" in str(exc):
            raise InvalidRequest("the collection was dropped meanwhile") from exc
        raise Unavailable(f"{path}: {exc}") from exc
    except sqlite3.IntegrityError as exc:
        raise InvalidRequest("the collection was dropped meanwhile, and made with other dimensions") from exc
    except sqlite3.DatabaseError as exc:
        raise CallError("provider_error", f"{path} cannot be used: {exc}") from exc


def _has_extension() -> bool:
    try:
        with closing(sqlite3.connect(":memory:")) as db:
            _load(db)
    except (ImportError, AttributeError, sqlite3.Error):
        return False
    return True


def _load(db: sqlite3.Connection) -> None:
    import sqlite_vec

    db.enable_load_extension(True)
    sqlite_vec.load(db)
    db.enable_load_extension(False)


def _cosine(one: bytes, other: bytes) -> float:
    a, b = _vector(one), _vector(other)
    dot: float = sum(map(mul, a, b))
    return 1 - dot / (math.hypot(*a) * math.hypot(*b))


def _l2(one: bytes, other: bytes) -> float:
    return math.dist(_vector(one), _vector(other))


def _vector(packed: bytes) -> array[float]:
    vector = array("f")
    vector.frombytes(packed)
    return vector

"""The SQL provider on SQLite; `tests/services` tells the stories of the two that are servers."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.testing import serving
from providers.sql_provider import SQLProvider
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database whose table `pets` has three rows."""
    path = tmp_path / "pe ts?.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "PRAGMA synchronous = OFF;"
            "CREATE TABLE pets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price REAL, photo BLOB);"
            "CREATE TABLE toys (pet INTEGER REFERENCES pets (id), name TEXT);"
            "CREATE INDEX toys_name ON toys (name);"
            "CREATE VIEW cheap AS SELECT * FROM pets WHERE price < 5;"
            "CREATE VIRTUAL TABLE notes USING fts5(text);"
            "INSERT INTO notes VALUES ('a cat sleeps');"
            "CREATE VIRTUAL TABLE places USING rtree(id, low, high);"
            "INSERT INTO places VALUES (1, 2, 3);"
            "INSERT INTO pets (name, price) VALUES ('cat', 1.5), ('dog', NULL), ('owl', 9);"
        )
    return path


@asynccontextmanager
async def provider(path: Path, **settings: Any) -> AsyncIterator[SQLProvider]:
    """None of its threads is left."""
    made = SQLProvider(**{"url": f"sqlite:///{str(path).replace('?', '%3F')}", "name": "db", **settings})
    try:
        yield made
    finally:
        await made.on_disconnected()
        async with asyncio.timeout(5):
            while any("_connection_worker" in one.name for one in threading.enumerate()):  # noqa: ASYNC110
                await asyncio.sleep(0.002)


@pytest.fixture
async def reader(path: Path) -> AsyncIterator[SQLProvider]:
    async with provider(path) as made:
        yield made


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[SQLProvider]:
    async with provider(path, allow_writes=True) as made:
        yield made


def contents(directory: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in directory.iterdir()}


async def names(reader: SQLProvider) -> list[Any]:
    return [row[0] for row in (await reader.query("SELECT name FROM pets ORDER BY id"))["rows"]]


async def test_values_are_bound_by_name(reader: SQLProvider) -> None:
    sql = "SELECT id, name AS n, price, '\\:x 12:30' AS n FROM pets WHERE name = :name OR id IN :ids;"
    answer = await reader.query(sql, {"name": "dog' OR 1=1 --", "ids": [1, 2]})

    assert answer == {
        "columns": ["id", "n", "price", "n"],
        "rows": [[1, "cat", 1.5, ":x 12:30"], [2, "dog", None, ":x 12:30"]],
        "truncated": False,
    }


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("SELECT :a", {}, "no value for :a: give it in params"),
        ("SELECT 1", {"a": 1}, "params has a, and sql has no :a"),
        ("SELECT :a", {"a": {"b": 1}}, "give JSON as text"),
        ("SELECT :a", {"a": {"base64": "?"}}, "params.a is not base64"),
        ("SELECT :a", {"a": 2**70}, "too large"),
        ("SELECT :a", {"a": "\ud800"}, "surrogate"),
        ("SELECT '\0'", {}, "NUL"),
        (" ;\n", {}, "sql is empty"),
        ("SELEC 1", {}, "syntax error"),
        ("SELECT nowhere", {}, "no such column: nowhere"),
    ],
)
async def test_what_cannot_be_asked_is_said(
    reader: SQLProvider, sql: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await reader.query(sql, params)


async def test_values_are_such_that_json_has(writer: SQLProvider) -> None:
    answer = await writer.query(
        "SELECT x'00ff', 1e999, CAST(x'61ff' AS TEXT), NULL, :b", {"b": {"base64": "AA=="}}
    )

    assert answer["rows"] == [[{"base64": "AP8="}, "inf", "a\ufffd", None, {"base64": "AA=="}]]


async def test_what_there_is_can_be_listed_and_described(reader: SQLProvider) -> None:
    listed, pets, toys = await reader.tables(), await reader.describe("pets"), await reader.describe("toys")

    found = {one["name"]: one["kind"] for one in listed["tables"]}
    assert found.items() >= {"pets": "table", "toys": "table", "cheap": "view"}.items()
    name = {"name": "name", "type": "TEXT", "nullable": False, "default": None, "comment": None}
    assert pets["columns"][1] == name
    assert (pets["primary_key"], pets["unique"]) == (["id"], [["name"]])
    assert toys["foreign_keys"][0]["to"] == {"schema": None, "table": "pets", "columns": ["id"]}
    assert toys["indexes"] == [{"name": "toys_name", "columns": ["name"], "unique": False}]
    with pytest.raises(InvalidRequest, match="did you mean pets"):
        await reader.describe("pet")
    with pytest.raises(InvalidRequest, match="nowhere"):
        await reader.tables("nowhere")


async def test_virtual_tables_are_read_like_others(reader: SQLProvider) -> None:
    found = await reader.query("SELECT text FROM notes WHERE notes MATCH :word", {"word": "cat"})

    assert found["rows"] == [["a cat sleeps"]]
    assert (await reader.query("SELECT id FROM places WHERE low < 3"))["rows"] == [[1]]


ATTACKS = [
    "DELETE FROM pets",
    "COMMIT",
    "COMMIT; DROP TABLE pets",
    "SELECT 1; DELETE FROM pets",
    "/* SELECT */ DELETE FROM pets",
    "SELECT 1 /* ; */ ; -- \nDELETE FROM pets",
    "INSERT INTO pets (name) VALUES ('x') RETURNING id",
    "WITH x AS (SELECT 1) DELETE FROM pets",
    "REPLACE INTO pets (name) VALUES ('cat')",
    "PRAGMA query_only = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA writable_schema = ON",
    "SELECT * FROM pragma_query_only",
    "ATTACH 'made.db' AS made",
    "ATTACH '{other}' AS made",
    "VACUUM INTO '{other}'",
    "CREATE TEMP TABLE made AS SELECT 1",
    "SELECT load_extension('x')",
    "BEGIN",
    "SAVEPOINT a",
    "ANALYZE",
    "REINDEX",
]
NEVER = [
    "ATTACH '{other}' AS made",
    "VACUUM INTO '{other}'",
    "SELECT load_extension('x')",
    "PRAGMA foreign_keys = OFF",
]


async def test_nothing_that_writes_passes_as_a_query(reader: SQLProvider, path: Path) -> None:
    before, other = contents(path.parent), path.with_name("other.db")
    passed = []
    for sql in ATTACKS:
        with suppress(InvalidRequest):
            passed.append((sql, await reader.query(sql.replace("{other}", str(other)))))

    assert passed == []
    assert contents(path.parent) == before


async def test_one_that_writes_reaches_no_other_file(writer: SQLProvider, path: Path) -> None:
    other = path.with_name("other.db")
    for sql in [*NEVER, "INSERT INTO pets (name) VALUES ('x'); DELETE FROM pets"]:
        with pytest.raises(InvalidRequest):
            await writer.execute(sql.replace("{other}", str(other)))

    assert not other.exists()
    assert await names(writer) == ["cat", "dog", "owl"]


async def test_writes_are_refused_unless_they_are_allowed(reader: SQLProvider) -> None:
    for call in (reader.execute("DELETE FROM pets"), reader.transaction([{"sql": "DELETE FROM pets"}])):
        with pytest.raises(InvalidRequest, match=r"^db only reads: allow_writes is off"):
            await call
    assert len(await names(reader)) == 3


async def test_a_write_says_what_it_did(writer: SQLProvider) -> None:
    insert = "INSERT INTO pets (name) VALUES (:name)"
    one = await writer.execute(insert, {"name": "eel"})
    many = await writer.execute(insert, [{"name": "fox"}, {"name": "gnu"}])
    deleted = await writer.execute("DELETE FROM pets WHERE id > 4 RETURNING id")

    assert one == {"row_count": 1, "last_id": 4}
    assert many == {"row_count": 2, "last_id": None}
    assert (deleted["columns"], deleted["rows"], deleted["truncated"]) == (["id"], [[5], [6]], False)
    with pytest.raises(InvalidRequest, match="UNIQUE constraint failed"):
        await writer.execute(insert, [{"name": "hen"}, {"name": "cat"}])
    with pytest.raises(InvalidRequest, match="a list for `IN`"):
        await writer.execute(insert, [{"name": ["a"]}])
    assert await names(writer) == ["cat", "dog", "owl", "eel"]


async def test_all_or_nothing(writer: SQLProvider) -> None:
    insert = {"sql": "INSERT INTO pets (name) VALUES (:name)", "params": {"name": "eel"}}
    for second in (insert, {"sql": "COMMIT"}, {"sql": "SELEC"}):
        with pytest.raises(InvalidRequest, match=r"statements\[1\]: "):
            await writer.transaction([insert, second])
    with pytest.raises(InvalidRequest, match=r"statements\[1\]"):
        await writer.transaction([insert, {"SQL": "COMMIT"}])
    assert await names(writer) == ["cat", "dog", "owl"]

    done = await writer.transaction([insert, {"sql": "DELETE FROM pets WHERE id = 1"}])
    assert [one["row_count"] for one in done] == [1, 1]
    assert await names(writer) == ["dog", "owl", "eel"]


async def test_rows_without_an_end_are_cut(path: Path) -> None:
    async with provider(path, max_rows=150, max_bytes=100_000) as reader:
        many, few = await reader.query(COUNTING), await reader.query(COUNTING, max_rows=2)
        heavy = await reader.query("SELECT hex(zeroblob(20000)) FROM pets")
        exact = await reader.query("SELECT name FROM pets", max_rows=3)
        for size in (60_000, 100_000_000):
            with pytest.raises(InvalidRequest, match=r"a row has 120,0|too big"):
                await reader.query(f"SELECT hex(zeroblob({size}))")

    assert (many["rows"], many["truncated"]) == ([[i] for i in range(1, 151)], True)
    assert (few["rows"], few["truncated"]) == ([[1], [2]], True)
    assert (len(heavy["rows"]), heavy["truncated"]) == (2, True)
    assert (len(exact["rows"]), exact["truncated"]) == (3, False)


async def test_a_statement_without_an_end_is_ended(path: Path) -> None:
    async with provider(path, timeout=0.2, connections=1) as reader:
        began = time.monotonic()
        with pytest.raises(InvalidRequest, match=r"longer than 0\.2 s"):
            await reader.query(ENDLESS)
        assert time.monotonic() - began < 2
        assert len(await names(reader)) == 3


async def test_a_query_has_its_time_once_and_not_for_each_row(path: Path) -> None:
    some = "WITH RECURSIVE m(j) AS (SELECT i UNION ALL SELECT j + 1 FROM m LIMIT 500) SELECT count(*) FROM m"
    async with provider(path, timeout=0.3, max_rows=100_000) as reader:
        began = time.monotonic()
        with pytest.raises(InvalidRequest, match=r"longer than 0\.3 s"):
            await reader.query(f"SELECT i, ({some}) FROM ({COUNTING})")
        assert time.monotonic() - began < 2


async def test_a_caller_that_leaves_ends_the_statement(path: Path) -> None:
    """The only connection is free again."""
    async with provider(path, timeout=60.0, connections=1) as reader, serving(reader) as client:
        call = asyncio.create_task(client.invoke("db", "query", sql=ENDLESS))
        while not reader._database._free.locked():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        call.cancel()
        async with asyncio.timeout(5):
            assert (await client.invoke("db", "query", sql="SELECT 1"))["rows"] == [[1]]


async def test_who_waits_too_long_for_a_connection_is_told(path: Path) -> None:
    async with provider(path, timeout=0.05, connections=1) as reader:
        async with reader._database._free:
            with pytest.raises(Unavailable, match=r"within 0\.05 s: all 1 are in use"):
                await reader.query("SELECT 1")
        assert len(await names(reader)) == 3


async def test_a_stream_gives_batches_for_as_long_as_they_are_read(path: Path) -> None:
    async with provider(path, max_bytes=1000) as reader, serving(reader) as client:
        async with client.stream("db", "stream_query", sql=COUNTING, batch=40) as items:
            batches = [await anext(aiter(items)) for _ in range(3)]
        whole = [item async for item in reader.stream_query("SELECT id FROM pets ORDER BY id", batch=2)]
        none = [item async for item in reader.stream_query("SELECT id FROM pets WHERE 0")]
        heavy = [item async for item in reader.stream_query("SELECT hex(zeroblob(300)) FROM pets")]
        with pytest.raises(InvalidRequest, match="max_bytes"):
            async for _ in reader.stream_query("SELECT hex(zeroblob(600)) FROM pets"):
                pass

    assert [row for item in batches for row in item["rows"]] == [[i] for i in range(1, 121)]
    assert [item["rows"] for item in whole] == [[[1], [2]], [[3]]]
    assert none == [{"columns": ["id"], "rows": []}]
    assert [len(item["rows"]) for item in heavy] == [1, 1, 1]


async def test_a_file_that_is_none_is_told_and_degrades_the_health(tmp_path: Path) -> None:
    async with provider(tmp_path / "none.db") as reader:
        with pytest.raises(CallError, match=r"unable to open .*none\.db \(is url right\?\)") as told:
            await reader.query("SELECT 1")
        assert (await reader.get_health_status())["status"] == "degraded"
    assert told.value.code == "provider_error"
    assert not (tmp_path / "none.db").exists()


async def test_a_file_that_another_writes_is_unavailable(
    writer: SQLProvider, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.sql_sqlite.LOCKED_FOR", 0.1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            await writer.execute("DELETE FROM pets")


async def test_a_pattern_cannot_hold_up_the_process(reader: SQLProvider) -> None:
    """SQLAlchemy gives SQLite the REGEXP of Python, which has no end for some patterns."""
    with pytest.raises(InvalidRequest, match="not authorized to use function: REGEXP"):
        await reader.query("SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!' REGEXP '(a+)+$'")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "oracle://user:secret-word@host/x"}, "url begins with sqlite:///"),
        ({"url": "secret-word"}, "url begins with sqlite:///"),
        ({"max_rows": 0}, "max_rows is 0"),
        ({"timeout": 0.0}, "timeout is 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"url": "sqlite://"}, "names no file"),
        ({"url": "postgresql://user:secret-word@host:port/x"}, "url cannot be read"),
    ],
)
def test_what_cannot_be_set_is_told_at_the_start(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        SQLProvider(**{"url": "sqlite:///x.db", "name": "db", **settings})
    assert "secret-word" not in str(told.value)


WORDS = [
    "SELECT 1",
    "SELECT :a",
    "SELECT * FROM pets WHERE id IN :a",
    "pets",
    "a",
    "DELETE FROM pets",
    "name",
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(SQLProvider, words=WORDS))
async def test_whatever_is_asked_is_answered_or_refused(reader: SQLProvider, call: Call) -> None:
    await answered(reader, call)

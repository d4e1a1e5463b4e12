"""The SQL provider on servers that are real: PostgreSQL and MariaDB tell the same stories."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.testing import serving
from providers.sql_provider import SQLProvider
from tests.providers.fuzz import Call, answered, calls
from tests.services.mariadb import MariaDB, mariadb
from tests.services.postgres import Postgres, postgres

pytestmark = pytest.mark.anyio

Server = Postgres | MariaDB


@pytest.fixture(scope="module", params=[postgres, mariadb], ids=["postgres", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as running:
        yield running


@asynccontextmanager
async def provider(server: Server, **settings: Any) -> AsyncIterator[SQLProvider]:
    made = SQLProvider(
        **{"url": server.url, "name": f"of-{type(server).__name__.lower()}", "timeout": 20.0, **settings}
    )
    try:
        yield made
    finally:
        await made.on_disconnected()


@pytest.fixture
async def writer(server: Server) -> AsyncIterator[SQLProvider]:
    """Its table `pets` has three rows."""
    is_postgres = isinstance(server, Postgres)
    async with provider(server, allow_writes=True) as made:
        await made.execute("DROP TABLE IF EXISTS toys")
        await made.execute("DROP TABLE IF EXISTS pets")
        serial, blob = ("serial", "bytea") if is_postgres else ("integer auto_increment", "blob")
        columns = (
            f"id {serial} PRIMARY KEY, name varchar(40) UNIQUE, price numeric(10, 2), born date, photo {blob}"
        )
        await made.execute(f"CREATE TABLE pets ({columns})")
        await made.execute("CREATE TABLE toys (pet integer NOT NULL REFERENCES pets (id), name varchar(40))")
        rows = [{"name": name} for name in ("cat", "dog", "owl")]
        assert (await made.execute("INSERT INTO pets (name) VALUES (:name)", rows))["row_count"] == 3
        yield made


@pytest.fixture
async def reader(server: Server, writer: SQLProvider) -> AsyncIterator[SQLProvider]:
    async with provider(server) as made:
        yield made


async def names(reader: SQLProvider) -> list[Any]:
    return [row[0] for row in (await reader.query("SELECT name FROM pets ORDER BY id"))["rows"]]


def endless(server: Server) -> str:
    """A SELECT that computes for longer than any test, and gives one row."""
    if isinstance(server, Postgres):
        return "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    return "SELECT sum(a.seq * b.seq) FROM seq_1_to_1000000 AS a, seq_1_to_1000000 AS b /* endless */"


async def are_running(admin: SQLProvider) -> int:
    """How many endless statements the server is at."""
    if "postgres" in admin.name:
        # What a cursor reads is not said: each that is at something, but for the one that asks.
        where = "pg_stat_activity WHERE state = 'active' AND backend_type = 'client backend'"
        where += " AND pid <> pg_backend_pid()"
    else:
        where = "information_schema.processlist WHERE info LIKE '%endless%' AND info NOT LIKE '%processlist%'"
    rows = (await admin.query(f"SELECT count(*) FROM {where}"))["rows"]
    return int(rows[0][0])


async def until_running(admin: SQLProvider, count: int) -> None:
    async with asyncio.timeout(10):
        while await are_running(admin) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_values_go_in_and_come_out_as_they_are(writer: SQLProvider, reader: SQLProvider) -> None:
    given = {"name": "a'; DROP TABLE pets; -- \\ % :x", "price": 12.5, "born": "2024-02-29"}
    photo = {"base64": "AAH/Jw=="}
    sql = "INSERT INTO pets (id, name, price, born, photo) VALUES (7, :name, :price, :born, :photo)"
    await writer.execute(sql, {**given, "photo": photo})

    answer = await reader.query(
        "SELECT name, price, born, photo FROM pets WHERE name = :n", {"n": given["name"]}
    )

    assert answer["columns"] == ["name", "price", "born", "photo"]
    assert answer["rows"] == [[given["name"], "12.50", "2024-02-29", photo]]
    found = await reader.query("SELECT id, id FROM pets WHERE id IN :ids ORDER BY id;", {"ids": [1, 7]})
    assert found["rows"] == [[1, 1], [7, 7]]
    assert (await reader.query("SELECT id FROM pets WHERE id IN :ids", {"ids": []}))["rows"] == []


async def test_an_insert_gives_the_key(server: Server, writer: SQLProvider) -> None:
    done = await writer.execute("INSERT INTO pets (name) VALUES (:name)", {"name": "eel"})
    returned = await writer.execute("INSERT INTO pets (name) VALUES ('fox') RETURNING id")

    assert done["row_count"] == 1
    assert done["last_id"] == (None if isinstance(server, Postgres) else 4)
    assert returned["rows"] == [[5]]


async def test_what_there_is_can_be_listed_and_described(reader: SQLProvider) -> None:
    listed = await reader.tables()
    pets, toys = await reader.describe("pets"), await reader.describe("toys")

    assert [(one["name"], one["kind"]) for one in listed["tables"]] == [("pets", "table"), ("toys", "table")]
    assert pets["primary_key"] == ["id"]
    assert [one["name"] for one in pets["columns"]] == ["id", "name", "price", "born", "photo"]
    assert pets["columns"][2]["type"].endswith("(10, 2)")
    assert pets["unique"] == [["name"]]
    assert toys["foreign_keys"][0]["to"]["table"] == "pets"
    with pytest.raises(InvalidRequest, match="did you mean pets"):
        await reader.describe("pet")


BOTH = [
    "DELETE FROM pets",
    "COMMIT",
    "SELECT 1; DELETE FROM pets",
    "SELECT 1; COMMIT; DROP TABLE pets",
    "COMMIT; DROP TABLE pets",
    "DROP TABLE pets",
    "START TRANSACTION READ WRITE",
    "SET TRANSACTION READ WRITE",
    "/* SELECT */ DELETE FROM pets",
    "SELECT 1 /* ; */ ; -- \nDELETE FROM pets",
    "WITH x AS (DELETE FROM pets RETURNING *) SELECT * FROM x",
    "INSERT INTO pets (name) VALUES ('x') RETURNING id",
    "EXPLAIN DELETE FROM pets",
]
POSTGRES = [
    "SELECT 1 INTO made",
    "SELECT * INTO made FROM pets",
    "CREATE TABLE made AS SELECT 1",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET transaction_read_only = off",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "DO $$ BEGIN DELETE FROM pets; END $$",
    "COPY pets TO '/tmp/gleitzeit-stolen'",
    "COPY pets TO PROGRAM 'cat'",
    "SELECT nextval('pets_id_seq')",
    "SELECT wipes()",
    "CALL wiped()",
    "PREPARE TRANSACTION 'x'",
]
MARIADB = [
    "BEGIN NOT ATOMIC COMMIT; DELETE FROM pets; COMMIT; END",
    "BEGIN NOT ATOMIC SET SESSION TRANSACTION READ WRITE; COMMIT; DELETE FROM pets; END",
    "EXECUTE IMMEDIATE 'DELETE FROM pets'",
    "SELECT name FROM pets INTO OUTFILE '{home}/stolen'",
    "SELECT name INTO OUTFILE '{home}/stolen' FROM pets",
    "SELECT name FROM pets LIMIT 1 INTO DUMPFILE '{home}/stolen'",
    "SELECT 1) INTO OUTFILE '{home}/stolen' -- ",
    "/*!50000 DELETE FROM pets */",
    "/*M!100000 DELETE FROM pets */",
    "SELECT 1 /*! INTO OUTFILE '{home}/stolen' */",
    "SET STATEMENT max_statement_time = 0 FOR DELETE FROM pets",
    "SET autocommit = 1",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE pets",
    "SELECT wipes()",
    "CALL wiped()",
    "LOCK TABLES pets WRITE",
    "SHUTDOWN",
]


@pytest.fixture
async def procedures(server: Server, writer: SQLProvider) -> None:
    """`wipes()` and `wiped()` delete all pets."""
    if isinstance(server, Postgres):
        body = "BEGIN SET LOCAL transaction_read_only = off; DELETE FROM pets; RETURN 1; END"
        head = "CREATE OR REPLACE FUNCTION wipes() RETURNS integer LANGUAGE plpgsql"
        await writer.execute(f"{head} AS $$ {body} $$")
        body = "BEGIN COMMIT; DELETE FROM pets; COMMIT; END"
        await writer.execute(f"CREATE OR REPLACE PROCEDURE wiped() LANGUAGE plpgsql AS $$ {body} $$")
    else:
        await writer.execute(
            "CREATE OR REPLACE FUNCTION wipes() RETURNS integer BEGIN DELETE FROM pets; RETURN 1; END"
        )
        await writer.execute(
            "CREATE OR REPLACE PROCEDURE wiped() BEGIN COMMIT; DELETE FROM pets; COMMIT; END"
        )


async def test_nothing_that_writes_passes_as_a_query(
    server: Server, reader: SQLProvider, procedures: None
) -> None:
    home = str(getattr(server, "home", ""))
    attacks = [*BOTH, *(POSTGRES if isinstance(server, Postgres) else MARIADB)]
    passed = []
    for sql in attacks:
        with suppress(InvalidRequest):
            passed.append((sql, await reader.query(sql.replace("{home}", home).replace(":", "\\:"))))

    assert passed == []
    assert await names(reader) == ["cat", "dog", "owl"]
    assert {one["name"] for one in (await reader.tables())["tables"]} == {"pets", "toys"}
    if isinstance(server, MariaDB):
        assert not (server.home / "stolen").exists()


async def test_a_value_never_becomes_a_part_of_the_statement(server: Server, reader: SQLProvider) -> None:
    """A name in a comment or in quotes is replaced, too, and there its value would be no string."""
    tries = [
        ("/* :a */ SELECT 1", "*/ BEGIN NOT ATOMIC COMMIT; DELETE FROM pets; COMMIT; END -- "),
        ("/* :a */ SELECT 1", "*/ DELETE FROM pets -- "),
        (
            f"SELECT name FROM pets WHERE name = /* :a */ '{getattr(server, 'home', '')}/stolen'",
            "*/ name INTO OUTFILE /*",
        ),
        (
            f"SELECT name FROM pets WHERE name = ':a' AND '{getattr(server, 'home', '')}/stolen' /* :a */",
            " INTO OUTFILE /*",
        ),
    ]
    passed = []
    for sql, value in tries:
        with suppress(InvalidRequest):
            passed.append(await reader.query(sql, {"a": value}))

    assert passed == []
    assert await names(reader) == ["cat", "dog", "owl"]
    if isinstance(server, MariaDB):
        assert not (server.home / "stolen").exists()


async def test_no_statement_is_two(writer: SQLProvider) -> None:
    for sql in ("INSERT INTO pets (name) VALUES ('x'); DELETE FROM pets", "SELECT 1; DELETE FROM pets"):
        with pytest.raises(InvalidRequest):
            await writer.execute(sql)

    assert await names(writer) == ["cat", "dog", "owl"]


async def test_what_a_call_does_to_its_session_is_gone_with_it(server: Server) -> None:
    """Both calls have the one connection."""
    async with provider(server, connections=1) as reader:
        if isinstance(server, Postgres):
            lock, held = (
                "SELECT pg_advisory_lock(1)",
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
            )
        else:
            lock, held = (
                "SELECT GET_LOCK('a', 1), @a \\:= 5",
                "SELECT IS_USED_LOCK('a') IS NOT NULL OR @a IS NOT NULL",
            )
        await reader.query(lock)

        assert (await reader.query(held))["rows"] == [[0]]


async def test_all_or_nothing(writer: SQLProvider) -> None:
    insert = "INSERT INTO pets (name) VALUES (:name)"
    with pytest.raises(InvalidRequest, match=r"(?i)statements\[1\]: duplicate"):
        await writer.transaction(
            [{"sql": insert, "params": {"name": "eel"}}, {"sql": insert, "params": {"name": "cat"}}]
        )
    assert await names(writer) == ["cat", "dog", "owl"]

    done = await writer.transaction(
        [{"sql": insert, "params": {"name": "eel"}}, {"sql": "DELETE FROM pets WHERE name = 'cat'"}]
    )
    assert [one["row_count"] for one in done] == [1, 1]
    assert await names(writer) == ["dog", "owl", "eel"]

    with pytest.raises(InvalidRequest, match=r"statements\[1\] ended the transaction"):
        await writer.transaction(
            [{"sql": insert, "params": {"name": "fox"}}, {"sql": "COMMIT"}, {"sql": "DELETE FROM pets"}]
        )
    assert await names(writer) == ["dog", "owl", "eel", "fox"]


async def test_a_statement_without_an_end_is_ended(server: Server) -> None:
    async with provider(server) as admin, provider(server, timeout=0.3) as reader:
        began = time.monotonic()
        with pytest.raises(InvalidRequest, match=r"longer than 0\.3 s"):
            await reader.query(endless(server))
        assert time.monotonic() - began < 5
        await until_running(admin, 0)


async def test_the_server_ends_it_when_the_provider_cannot(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's own clock does not strike here: only the server's does."""
    from providers.sql_session import Session

    async def run(self: Session, work: Any) -> Any:
        return await work

    monkeypatch.setattr(Session, "run", run)
    async with provider(server, timeout=0.3) as reader, asyncio.timeout(5):
        with pytest.raises(InvalidRequest, match=r"longer than 0\.3 s"):
            await reader.query(endless(server))


async def test_a_caller_that_leaves_ends_the_statement_in_the_server(server: Server) -> None:
    async with provider(server) as admin, provider(server, timeout=60.0) as reader, serving(reader) as client:
        call = asyncio.create_task(client.invoke(reader.name, "query", sql=endless(server)))
        await until_running(admin, 1)
        call.cancel()
        await until_running(admin, 0)
        # Its connection, if it is still used, is well.
        assert (await client.invoke(reader.name, "query", sql="SELECT 1"))["rows"] == [[1]]


MANY = {
    Postgres: "SELECT generate_series(1, 100000000)",
    MariaDB: "SELECT a.seq FROM seq_1_to_100000000 AS a",
}


async def test_rows_without_an_end_are_cut(server: Server) -> None:
    large = "SELECT repeat('x', 400000) FROM pets"
    async with provider(server, max_rows=50, max_bytes=1_000_000) as reader, asyncio.timeout(5):
        many = await reader.query(MANY[type(server)])
        heavy = await reader.query(large)
        with pytest.raises(InvalidRequest, match="a row has 2,000,000 bytes"):
            await reader.query("SELECT repeat('x', 2000000)")

    assert (len(many["rows"]), many["truncated"]) == (50, True)
    assert (len(heavy["rows"]), heavy["truncated"]) == (2, True)


async def test_a_stream_goes_on_for_as_long_as_it_is_read(server: Server) -> None:
    async with provider(server) as reader, asyncio.timeout(10):
        items = reader.stream_query(MANY[type(server)], batch=70)
        async with aclosing(items) as batches:  # type: ignore[type-var]
            first, second = await anext(batches), await anext(batches)
        assert (await reader.query("SELECT 1"))["rows"] == [[1]]

    assert first["rows"] == [[i] for i in range(1, 71)]
    assert second["rows"][-1] == [140]


async def test_a_server_that_is_killed_under_calls_is_unavailable_until_it_is_back(
    server: Server, writer: SQLProvider, reader: SQLProvider
) -> None:
    async with provider(server) as admin:
        reading = asyncio.create_task(reader.query(endless(server)))
        writing = asyncio.create_task(
            writer.transaction([{"sql": "DELETE FROM pets"}, {"sql": endless(server)}])
        )
        await until_running(admin, 2)
        server.kill()
        try:
            for call in (reading, writing):
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(call, 10)
            with pytest.raises(Unavailable):
                await reader.query("SELECT 1")
            assert (await reader.get_health_status())["status"] == "degraded"
        finally:
            server.start()

        assert await names(reader) == ["cat", "dog", "owl"]
        assert await reader.get_health_status() == {"healthy": True}
        # It had a connection that nobody used as the server was killed.
        assert len(await names(admin)) == 3


async def test_a_wrong_password_is_told_without_it(server: Server) -> None:
    wrong = server.url.replace("pass-word", "wrong-word")
    async with provider(server, url=wrong) as reader:
        with pytest.raises(CallError, match="is url right") as told:
            await reader.query("SELECT 1")
        health = await reader.get_health_status()

    assert told.value.code == "provider_error"
    assert "wrong-word" not in f"{told.value}{told.value.__cause__}{health}"
    assert health["status"] == "degraded"


async def test_a_mistake_in_sql_is_the_callers(reader: SQLProvider) -> None:
    with pytest.raises(InvalidRequest, match=r"(?is)syntax.*\(what is wanted here is one SELECT\)"):
        await reader.query("SELEC 1")
    with pytest.raises(InvalidRequest, match="nothing_here"):
        await reader.query("SELECT * FROM nothing_here")


WORDS = [
    "SELECT 1",
    "SELECT :a",
    "SELECT * FROM pets",
    "SELECT * FROM pets WHERE id IN :a",
    "pets",
    "a",
    "DELETE FROM pets",
]


async def test_whatever_is_asked_is_answered_or_refused(server: Server, reader: SQLProvider) -> None:
    @settings(max_examples=150, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(call=calls(SQLProvider, words=WORDS))
    def asked(call: Call) -> None:
        collected.append(call)

    collected: list[Call] = []
    asked()
    for call in collected:
        await answered(reader, call)
    assert await names(reader) == ["cat", "dog", "owl"]

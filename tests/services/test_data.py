"""DuckDB over files under attack: each statement starts a process, so these many take their time."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest
from providers import data_provider
from providers.data_provider import DataProvider
from tests.providers import data_root
from tests.providers.data_root import ENDLESS, beneath, is_running, until, workers
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return data_root.filled(tmp_path)


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    return data_root.linked(tmp_path)


Make = Callable[..., DataProvider]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda **config: DataProvider(roots=[str(tmp_path / "root")], name="data", **config)


@pytest.mark.parametrize("name", ["new.parquet", "new.json", "deep/it's.csv.gz"])
async def test_a_file_is_written_in_another_format_as_a_whole(make: Make, place: Path, name: str) -> None:
    data = make(read_only=False)

    written = await data.convert("sales.csv", name)
    there = await data.query(f"SELECT city, amount FROM '{name.replace(chr(39), chr(39) * 2)}'")

    assert written["rows"] == 2
    assert written["bytes"] == (place / name).stat().st_size
    assert there["rows"] == [["Berlin", 1.5], ["Paris", 2.0]]
    with pytest.raises(InvalidRequest, match="overwrite"):
        await data.convert("sales.csv", name)
    assert (await data.convert("deep/more.csv", name, overwrite=True))["rows"] == 1
    assert not any(".gleitzeit" in name for name in beneath(place))


OUTSIDE = [
    "FROM '../outside/secret.csv'",
    "FROM 'file://{outside}/secret.csv'",
    "FROM read_text('{outside}/secret.csv')",
    "FROM read_csv(['sales.csv', '{outside}/secret.csv'])",
    "FROM 'link/secret.csv'",
    "FROM 'secret.csv'",
    # DuckDB takes this one for sales.csv in the root.
    "FROM 'link/../sales.csv'",
    "FROM read_csv('link/' || '../sales.csv')",
    "FROM '*.csv'",
    "FROM glob('link/*')",
    "FROM glob('{outside}/*')",
    "FROM read_blob('/proc/self/environ')",
    "FROM query('FROM ''{outside}/secret.csv''')",
    "FROM parquet_metadata('{outside}/secret.csv')",
    "FROM 'http://127.0.0.1:9/secret.csv'",
]


@pytest.mark.parametrize("sql", OUTSIDE)
async def test_nothing_outside_of_the_roots_is_read(make: Make, linked: Path, sql: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        await make().query(sql.format(outside=linked.parent / "outside"))

    assert "sesame" not in told.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO 'new.csv'",
        "COPY (SELECT 1) TO '{root}/new.csv'",
        "ATTACH '{root}/new.db'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "CALL enable_logging(storage = 'file', storage_path = '{root}/new')",
        "SELECT 1; COPY (SELECT 1) TO 'new.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'new.csv'",
        "FROM query('COPY (SELECT 1) TO ''new.csv''')",
        "\0",
        "SELECT '\ud800'",
    ],
)
async def test_a_query_only_reads(make: Make, place: Path, sql: str) -> None:
    before = beneath(place)

    with pytest.raises(InvalidRequest):
        await make(read_only=False).query(sql.format(root=place))

    assert beneath(place) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 3000000000))",
        "SELECT list(a) FROM range(1000000000) t(a)",
    ],
)
async def test_what_takes_too_much_memory_is_refused(make: Make, place: Path, sql: str) -> None:
    with pytest.raises(InvalidRequest, match="more than the memory_mb"):
        await make(memory_mb=64).query(sql)


SCRIPT = """
import asyncio, sys
from providers.data_provider import DataProvider
from tests.providers.data_root import ENDLESS

data = DataProvider(roots=[sys.argv[1]], name="data")
asyncio.run(data.query(ENDLESS))
"""


async def test_no_work_goes_on_when_the_provider_is_killed(place: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(place)]
    provider = await asyncio.create_subprocess_exec(
        *command, cwd=Path(__file__).parents[2], env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    await until(lambda: workers(provider.pid))
    (worker,) = workers(provider.pid)
    provider.send_signal(signal.SIGKILL)
    await provider.wait()
    await until(lambda: not is_running(worker))


async def test_a_worker_that_is_killed_fails_its_call_and_no_other(make: Make, place: Path) -> None:
    data = make()
    running = asyncio.ensure_future(data.query(ENDLESS))
    await until(workers)
    os.kill(workers()[0], signal.SIGKILL)

    with pytest.raises(CallError, match="ended by SIGKILL"):
        await running
    assert (await data.query("SELECT 1"))["rows"] == [[1]]


async def test_a_packed_file_that_unpacks_to_gigabytes_is_bounded(make: Make, place: Path) -> None:
    """Read in portions it does no harm; what would keep it, in memory or on disk, is refused."""
    with gzip.open(place / "bomb.csv.gz", "wb", compresslevel=1) as bomb:
        bomb.write(b"number\n")
        for _ in range(200):
            bomb.write(b"12345678\n" * 100_000)
    data = make(memory_mb=64, disk_mb=8, read_only=False, timeout=20)

    assert len((await data.query("FROM 'bomb.csv.gz'", limit=5))["rows"]) == 5
    with pytest.raises(InvalidRequest, match=r"more than the (memory_mb or )?disk_mb"):
        await data.convert("bomb.csv.gz", "new.csv")
    with pytest.raises(InvalidRequest, match="more than the memory_mb or disk_mb"):
        await data.query("SELECT list(number) FROM 'bomb.csv.gz'")
    assert not (place / "new.csv").exists()
    assert not any(".gleitzeit" in name for name in beneath(place))


async def test_columns_that_are_too_many_for_an_answer_are_refused(make: Make, place: Path) -> None:
    named = "x" * 50_000
    with pytest.raises(InvalidRequest, match="columns are too many to name: select fewer"):
        await make().query(f'WITH t AS (SELECT 1 AS "{named}") SELECT {", ".join(["*"] * 100)} FROM t')


BROKEN = {
    "line.csv": b"a,b\n" + b"x" * 5_000_000 + b",1\n",
    "wide.csv": b",".join(b"c%d" % n for n in range(100_000)) + b"\n" + b",".join([b"1"] * 100_000) + b"\n",
    "cut.parquet": b"PAR1" + b"\x15\x04" * 500 + b"\xff\xff\xff\x7fPAR1",
    "none.parquet": b"",
    "deep.json": b"[" * 1_000_000 + b"]" * 1_000_000,
    "object.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "cut.jsonl": b'{"a": 1}\n{"a": ',
    "packed.csv.gz": b"no gzip at all",
    "bytes.csv": bytes(range(256)) * 100,
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_file_that_is_broken_or_strange_ends_in_an_answer(make: Make, place: Path, name: str) -> None:
    (place / name).write_bytes(BROKEN[name])

    failure = None
    try:
        found = await make(timeout=5, memory_mb=256).describe(name)
    except CallError as exc:
        failure = exc

    if failure:
        assert failure.code in ("invalid_request", "deadline_exceeded"), failure.message
        assert len(failure.message) < 1500
    else:
        assert len(json.dumps(found)) < 5 * data_provider.MB


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(DataProvider, words=["sales.csv", "**", "SELECT 1", "FROM 'sales.csv'", "new.parquet"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(make: Make, place: Path, call: Call) -> None:
    await answered(make(read_only=False), call)

"""DuckDB over files: what it gives, what it refuses, and what bounds it."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest
from gleitzeit_extensions.testing import serving
from providers import confinement, data_provider
from providers.data_provider import DataProvider
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A root with a few files, and beside it what is nobody's business."""
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "sales.csv").write_text("city,amount\nBerlin,1.5\nParis,2\n")
    (root / "deep/more.csv").write_text("city,amount\nRome,3\n")
    (root / "notes.txt").write_text("no data")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("word\nsesame\n")
    (tmp_path / "sales.csv").write_text("word\nsesame\n")
    return root


@pytest.fixture
def make(place: Path) -> Callable[..., DataProvider]:
    return lambda **config: DataProvider(roots=[str(place)], name="data", **config)


Make = Callable[..., DataProvider]


async def test_files_are_tables(make: Make) -> None:
    found = await make().query("SELECT sum(amount) AS total FROM '**/*.csv' WHERE city <> $1", ["Paris"])

    assert found == {"columns": [{"name": "total", "type": "DOUBLE"}], "rows": [[4.5]], "truncated": False}


async def test_a_file_is_listed_described_and_summed_up(make: Make, place: Path) -> None:
    data = make()

    files = await data.files("**")
    about = await data.describe("sales.csv")
    statistics = await data.statistics("sales.csv")

    assert [file["path"] for file in files["files"]] == ["sales.csv", "deep/more.csv"]
    assert [file["path"] for file in (await data.files("*.csv"))["files"]] == ["sales.csv"]
    assert about == {
        "path": "sales.csv",
        "format": "csv",
        "bytes": (place / "sales.csv").stat().st_size,
        "columns": [{"name": "city", "type": "VARCHAR"}, {"name": "amount", "type": "DOUBLE"}],
        "rows": 2,
        "rows_are_exact": False,
    }
    assert [(one["column_name"], one["min"], one["max"]) for one in statistics["columns"]] == [
        ("city", "Berlin", "Paris"),
        ("amount", "1.5", "2.0"),
    ]


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
    assert not any(".gleitzeit" in name for name in _beneath(place))


async def test_rows_of_a_parquet_are_counted(make: Make) -> None:
    data = make(read_only=False)
    await data.convert("sales.csv", "sales.parquet")

    about = await data.describe("sales.parquet")

    assert (about["rows"], about["rows_are_exact"]) == (2, True)


async def test_values_are_what_json_can_carry(make: Make) -> None:
    sql = """SELECT 1.50::DECIMAL(4,2), 'nan'::DOUBLE, MAP {1: 'a'}, {'a': [DATE '2024-02-29']},
        '\\x00'::BLOB,
        170141183460469231731687303715884105727, '0a0b0c0d-0000-0000-0000-000000000000'::UUID, NULL,
        INTERVAL 1 DAY, TIMESTAMP '2024-01-02 03:04:05', '2024-01-01 00:00:00+00'::TIMESTAMPTZ = now()"""

    (row,) = (await make().query(sql))["rows"]

    assert row == [
        "1.50",
        None,
        {"1": "a"},
        {"a": ["2024-02-29"]},
        "AA==",
        170141183460469231731687303715884105727,
        "0a0b0c0d-0000-0000-0000-000000000000",
        None,
        "1 day, 0:00:00",
        "2024-01-02T03:04:05",
        False,
    ]
    json.dumps(row, allow_nan=False)


async def test_answers_are_bounded_and_say_so(make: Make) -> None:
    data = make(max_rows=10)

    few = await data.query("FROM range(3)")
    many = await data.query("FROM range(1000000000000)")
    fewer = await data.query("FROM range(5)", limit=2)
    wide = await data.query("SELECT repeat('x', 1000000) FROM range(9)")

    assert (len(few["rows"]), few["truncated"]) == (3, False)
    assert (len(many["rows"]), many["truncated"]) == (10, True)
    assert (len(fewer["rows"]), fewer["truncated"]) == (2, True)
    assert (len(wide["rows"]), wide["truncated"]) == (4, True)


@pytest.fixture
def linked(place: Path) -> Path:
    (place / "link").symlink_to("../outside")
    (place / "secret.csv").symlink_to("../outside/secret.csv")
    return place


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
    before = _beneath(place)

    with pytest.raises(InvalidRequest):
        await make(read_only=False).query(sql.format(root=place))

    assert _beneath(place) == before


async def test_a_kernel_that_cannot_watch_has_links_outwards_refused(
    make: Make, linked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "version", lambda: 0)

    with pytest.raises(InvalidRequest, match=r"link.* leads out of the roots"):
        await make().query("SELECT 1")
    assert (await make().get_health_status())["confined"] is False


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("../outside/secret.csv", "not in the roots"),
        ("secret.csv", "not in the roots"),
        ("link/secret.csv", "not in the roots"),
        ("/etc/passwd", "not in the roots"),
        ("notes.txt", "no data file"),
        ("none.csv", "no file"),
        ("a\0.csv", "cannot be one"),
        ("x" * 5000 + ".csv", "no file|cannot be one"),
        ("deep", "no file"),
    ],
)
async def test_a_name_that_is_no_data_file_of_the_roots_is_refused(
    make: Make, linked: Path, path: str, words: str
) -> None:
    data = make(read_only=False)
    for call in (data.describe(path), data.statistics(path), data.convert(path, "new.csv")):
        with pytest.raises(InvalidRequest, match=words):
            await call
    assert [file["path"] for file in (await data.files())["files"]] == ["sales.csv", "deep/more.csv"]


@pytest.mark.parametrize(
    "to",
    [
        "../new.csv",
        "link/new.csv",
        "/tmp/new.csv",
        "new.txt",
        "new.parquet.gz",
        "none/new.csv",
        "deep",
        "secret.csv",
    ],
)
async def test_nothing_outside_of_the_roots_is_written(make: Make, linked: Path, to: str) -> None:
    with pytest.raises(InvalidRequest):
        await make(read_only=False).convert("sales.csv", to, overwrite=True)

    assert (linked.parent / "outside/secret.csv").read_text() == "word\nsesame\n"
    assert not (linked.parent / "new.csv").exists()


async def test_unless_it_may_write_it_converts_nothing(make: Make, place: Path) -> None:
    with pytest.raises(InvalidRequest, match="read_only: false"):
        await make().convert("sales.csv", "new.csv")

    assert not (place / "new.csv").exists()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 3000000000))",
        "SELECT list(a) FROM range(1000000000) t(a)",
    ],
)
async def test_what_takes_too_much_memory_is_refused(make: Make, sql: str) -> None:
    with pytest.raises(InvalidRequest, match="more than the memory_mb"):
        await make(memory_mb=64).query(sql)


@pytest.mark.parametrize("sql", ["SELECT count(*) FROM range(10000000000) a, range(100) b"])
async def test_what_takes_too_long_is_ended(make: Make, sql: str) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(CallError, match=r"more than 0\.5 s") as told:
            await make(timeout=0.5).query(sql)

    assert told.value.code == "deadline_exceeded"
    assert not _workers()


async def test_a_caller_that_leaves_ends_the_work(make: Make) -> None:
    async with serving(make()) as client:
        query = client.invoke("data", "query", sql="SELECT count(*) FROM range(10000000000) a, range(100) b")
        running = asyncio.ensure_future(query)
        await _until(_workers)
        running.cancel()
        await _until(lambda: not _workers())


SCRIPT = """
import asyncio, sys
from providers.data_provider import DataProvider

data = DataProvider(roots=[sys.argv[1]], name="data")
asyncio.run(data.query("SELECT count(*) FROM range(10000000000) a, range(100) b"))
"""


async def test_no_work_goes_on_when_the_provider_is_killed(place: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(place)]
    provider = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    await _until(lambda: _workers(provider.pid))
    (worker,) = _workers(provider.pid)
    provider.send_signal(signal.SIGKILL)
    await provider.wait()
    await _until(lambda: not _is_running(worker))


async def test_a_worker_that_is_killed_fails_its_call_and_no_other(make: Make) -> None:
    data = make()
    running = asyncio.ensure_future(data.query("SELECT count(*) FROM range(10000000000) a, range(100) b"))
    await _until(_workers)
    os.kill(_workers()[0], signal.SIGKILL)

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
    assert not any(".gleitzeit" in name for name in _beneath(place))


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


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(DataProvider, words=["sales.csv", "**", "SELECT 1", "FROM 'sales.csv'", "new.parquet"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(make: Make, call: Call) -> None:
    await answered(make(read_only=False), call)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"roots": []}, "roots is empty"),
        ({"roots": ["/nowhere"]}, "no directory"),
        ({"memory_mb": 1}, "at least 64"),
        ({"timeout": 0}, "above 0"),
    ],
)
def test_a_config_that_cannot_be_is_refused_at_the_start(
    place: Path, config: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        DataProvider(**{"roots": [str(place)], "name": "data", **config})


async def test_a_root_that_went_away_degrades_the_health(make: Make, place: Path) -> None:
    data = make()
    assert (await data.get_health_status())["confined"] is True
    await asyncio.to_thread(place.rename, place.with_name("elsewhere"))

    assert (await data.get_health_status())["status"] == "degraded"
    with pytest.raises(CallError, match="is gone"):
        await data.query("SELECT 1")


def _beneath(place: Path) -> list[str]:
    return sorted(str(path) for path in place.rglob("*"))


def _workers(parent: int | None = None) -> list[int]:
    """Children of ours that work on a statement."""
    pid = parent or os.getpid()
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    return [child for child in children if _is_running(child) and _has_begun(child)]


def _has_begun(pid: int) -> bool:
    """DuckDB has threads of its own as soon as it has been told what to do."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except FileNotFoundError:
        return False


def _is_running(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"data_worker.py" in command


async def _until(fact: Callable[[], Any]) -> None:
    ends = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)

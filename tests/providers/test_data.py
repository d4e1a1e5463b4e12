"""DuckDB over files: what it gives, what it refuses, and what bounds it.

Each statement starts a process: `tests/services` has the long lists of attacks, bombs and broken files.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.testing import serving
from providers import confinement, data_provider
from providers.data_files import Roots
from providers.data_provider import DataProvider
from tests.providers import data_root
from tests.providers.data_root import ENDLESS, beneath, until, workers

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


async def test_files_are_tables(make: Make, place: Path) -> None:
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


async def test_a_file_is_written_in_another_format_as_a_whole(make: Make, place: Path) -> None:
    data = make(read_only=False)

    written = await data.convert("sales.csv", "deep/it's.parquet")
    there = await data.query("SELECT city, amount FROM 'deep/it''s.parquet'")
    about = await data.describe("deep/it's.parquet")

    assert written["rows"] == 2
    assert written["bytes"] == (place / "deep/it's.parquet").stat().st_size
    assert there["rows"] == [["Berlin", 1.5], ["Paris", 2.0]]
    assert (about["rows"], about["rows_are_exact"]) == (2, True)
    with pytest.raises(InvalidRequest, match="overwrite"):
        await data.convert("sales.csv", "deep/it's.parquet")
    assert (await data.convert("deep/more.csv", "deep/it's.parquet", overwrite=True))["rows"] == 1
    assert not any(".gleitzeit" in name for name in beneath(place))


async def test_a_name_that_looks_like_a_pattern_is_that_of_one_file(make: Make, place: Path) -> None:
    (place / "a[1].csv").write_text("right\n1\n")
    (place / "a1.csv").write_text("wrong\n1\n")

    about = await make().describe("a[1].csv")

    assert [column["name"] for column in about["columns"]] == ["right"]


async def test_a_link_to_itself_is_no_file_and_leads_nowhere(make: Make, place: Path) -> None:
    (place / "again.csv").symlink_to("again.csv")

    assert len((await make().files())["files"]) == 2
    assert Roots([str(place)]).link_outwards() is None


async def test_a_file_in_the_making_is_not_listed(
    make: Make, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = []
    data = make(read_only=False)

    async def run(sql: str, writable: Path) -> dict[str, Any]:
        (part,) = re.findall(r"TO '(.*)' \(", sql)
        await asyncio.to_thread(Path(part).write_text, "half")
        listed.extend((await data.files())["files"])
        return {"rows": [[1]]}

    monkeypatch.setattr(data, "_run", run)
    await data.convert("sales.csv", "new.csv")

    assert [file["path"] for file in listed] == ["sales.csv", "deep/more.csv"]


def test_a_place_that_cannot_hold_a_file_is_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)

    with pytest.raises(CallError, match=r'"new\.csv" cannot be written: Operation not permitted'):
        data_provider._put(place / "sales.csv", place / "new.csv", overwrite=False)


async def test_a_machine_without_room_for_a_process_is_unavailable(
    make: Make, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any, **__: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refused)

    with pytest.raises(Unavailable, match="no process can be started"):
        await make().query("SELECT 1")


async def test_values_are_what_json_can_carry(make: Make, place: Path) -> None:
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


async def test_answers_are_bounded_and_say_so(make: Make, place: Path) -> None:
    data = make(max_rows=10)

    few = await data.query("FROM range(2)", limit=2)
    many = await data.query("FROM range(1000000000000)")
    wide = await data.query("SELECT repeat('x', 1000000) FROM range(9)")

    assert (len(few["rows"]), few["truncated"]) == (2, False)
    assert (len(many["rows"]), many["truncated"]) == (10, True)
    assert (len(wide["rows"]), wide["truncated"]) == (4, True)


async def test_nothing_outside_of_the_roots_is_read(make: Make, linked: Path) -> None:
    """DuckDB takes this one for sales.csv in the root."""
    with pytest.raises(InvalidRequest) as told:
        await make().query("FROM 'link/../sales.csv'")

    assert "sesame" not in told.value.message


async def test_a_query_only_reads(make: Make, place: Path) -> None:
    with pytest.raises(InvalidRequest, match="one statement that reads"):
        await make(read_only=False).query("SELECT 1; COPY (SELECT 1) TO 'new.csv'")

    assert not (place / "new.csv").exists()


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


async def test_what_takes_too_much_memory_is_refused(make: Make, place: Path) -> None:
    with pytest.raises(InvalidRequest, match="more than the memory_mb"):
        await make(memory_mb=64).query("SELECT length(repeat('x', 3000000000))")


async def test_what_takes_too_long_is_ended(make: Make, place: Path) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(CallError, match=r"more than 0\.25 s") as told:
            await make(timeout=0.25, threads=1).query(ENDLESS)

    assert told.value.code == "deadline_exceeded"
    assert not workers()


async def test_a_caller_that_leaves_ends_the_work(make: Make, place: Path) -> None:
    async with serving(make(threads=1)) as client:
        query = client.invoke("data", "query", sql=ENDLESS)
        running = asyncio.ensure_future(query)
        await until(workers)
        running.cancel()
        await until(lambda: not workers())


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

"""Vectors in an SQLite file, by sqlite-vec and without it; PostgreSQL is in tests/services."""

from __future__ import annotations

import asyncio
import ctypes
import math
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlite_vec
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable, threads
from providers import vector_provider, vector_sqlite, vector_values
from providers.vector_provider import VectorProvider
from tests.house import eventually
from tests.providers.fuzz import Call, answered, calls
from tests.providers.vector_stories import PHASES, Story, is_as_told, stories

pytestmark = pytest.mark.anyio

SUBPROCESS = """
import asyncio, sys
from providers.vector_provider import VectorProvider

async def main():
    provider = VectorProvider(path=sys.argv[1], name="vectors")
    await provider.create_collection("docs", 4)
    for batch in range(10_000):
        await provider.upsert("docs", [{"id": f"{batch}-{i}", "vector": [1, i, 2, 3]} for i in range(50)])
        print(batch, flush=True)

asyncio.run(main())
"""


@pytest.fixture
def vectors(tmp_path: Path) -> VectorProvider:
    return VectorProvider(path=str(tmp_path / "vectors.db"), name="vectors")


@pytest.fixture(params=["sqlite-vec", "python"])
def either(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[VectorProvider]:
    """A provider with sqlite-vec, and one that has to do without."""
    with _as_an_extension(monkeypatch):
        if request.param == "python":
            monkeypatch.setitem(sys.modules, "sqlite_vec", None)
            monkeypatch.setattr(vector_sqlite, "_load", _cannot_load)
        provider = VectorProvider(path=str(tmp_path / "vectors.db"), name="vectors")
        assert provider._store.by == request.param
        yield provider


def _cannot_load(db: sqlite3.Connection) -> None:
    raise AttributeError("enable_load_extension")


class _as_an_extension:  # noqa: N801
    """Where this Python cannot load extensions, SQLite itself is told to have this one in each connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._is_needed = not hasattr(sqlite3.Connection, "enable_load_extension")
        if self._is_needed:
            monkeypatch.setattr(vector_sqlite, "_load", lambda db: db.execute("SELECT vec_version()"))
            self._sqlite = ctypes.CDLL("libsqlite3.so.0")
            extension = ctypes.CDLL(f"{sqlite_vec.loadable_path()}.so")
            self._entry = ctypes.cast(extension.sqlite3_vec_init, ctypes.c_void_p)

    def __enter__(self) -> None:
        if self._is_needed:
            assert self._sqlite.sqlite3_auto_extension(self._entry) == 0

    def __exit__(self, *_: object) -> None:
        if self._is_needed:
            self._sqlite.sqlite3_cancel_auto_extension(self._entry)


@settings(
    max_examples=30,
    phases=PHASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=stories)
async def test_it_is_the_same_with_and_without_the_extension(either: VectorProvider, story: Story) -> None:
    await is_as_told(either, story)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(VectorProvider, words=["docs", "a", "cosine", "vector"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(vectors: VectorProvider, call: Call) -> None:
    await vectors.create_collection("docs", 2)
    await answered(vectors, call)


@pytest.mark.parametrize(
    "name",
    [
        'x"; DROP TABLE gleitzeit_collections; --',
        "Docs",
        "",
        "1a",
        "a" * 41,
        "a b",
        "a\0",
        "sqlite_master--",
        "ä",
        "a\n",
    ],
)
async def test_no_name_becomes_sql(vectors: VectorProvider, name: str) -> None:
    await vectors.create_collection("docs", 2)

    with pytest.raises(InvalidRequest, match="the name of a collection"):
        await vectors.create_collection(name, 2)
    for call in (vectors.count(name), vectors.delete(name, ids=["a"]), vectors.upsert(name, [])):
        with pytest.raises(InvalidRequest, match="there is no collection"):
            await call
    assert await vectors.drop_collection(name) == {"dropped": False}
    assert [one["name"] for one in await vectors.collections()] == ["docs"]


async def test_a_name_that_is_a_word_of_sql_is_a_name(vectors: VectorProvider) -> None:
    await vectors.create_collection("select", 2, "l2")
    await vectors.upsert("select", [{"id": "a", "vector": [3, 4]}])

    assert (await vectors.search("select", [0, 0]))["items"][0]["distance"] == 5
    assert await vectors.drop_collection("select") == {"dropped": True}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"id": "a", "vector": [1]}, "has 1 dimensions"),
        ({"id": "a", "vector": [1, math.nan]}, "of numbers"),
        ({"id": "a", "vector": [1, -math.inf]}, "of numbers"),
        ({"id": "a", "vector": [1, True]}, "of numbers"),
        ({"id": "a", "vector": [1, 10**400]}, "of numbers"),
        ({"id": "a", "vector": [1, 1e30]}, "no longer than"),
        ({"id": "a", "vector": [0, 0]}, "no direction"),
        ({"id": "", "vector": [1, 2]}, "an id has"),
        ({"id": "a\0", "vector": [1, 2]}, "an id has"),
        ({"id": "a", "vector": [1, 2], "meta": {}}, "an item is"),
        ({"id": "a", "vector": [1, 2], "metadata": {"a": [1]}}, 'value of "a"'),
        ({"id": "a", "vector": [1, 2], "metadata": {"a": 2**63}}, 'value of "a"'),
        ({"id": "a", "vector": [1, 2], "metadata": {'"': 1}}, "a name in metadata"),
        ({"id": "a", "vector": [1, 2], "metadata": {"a": "x" * 20_000}}, "has to fit into"),
        ({"id": "a", "vector": [1, 2], "text": "\ud800"}, "text has to be"),
    ],
)
async def test_what_cannot_be_kept_is_refused_with_all_that_came_along(
    vectors: VectorProvider, item: dict[str, Any], words: str
) -> None:
    await vectors.create_collection("docs", 2)

    with pytest.raises(InvalidRequest, match=words):
        await vectors.upsert("docs", [{"id": "good", "vector": [1, 2]}, item])

    assert await vectors.count("docs") == {"count": 0}


@pytest.mark.parametrize(
    "filter", [{"a": {"like": 1}}, {"a": {}}, {"a": [1]}, {"a": {"gt": None}}, {"a": {"lt": True}}, {"": 1}]
)
async def test_a_filter_that_says_nothing_is_refused(vectors: VectorProvider, filter: dict[str, Any]) -> None:
    await vectors.create_collection("docs", 2)

    with pytest.raises(InvalidRequest):
        await vectors.delete("docs", filter=filter)


async def test_calls_and_answers_are_bounded(
    vectors: VectorProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_provider, "MOST_BYTES", 300)
    await vectors.create_collection("docs", 2)
    await vectors.upsert("docs", [{"id": str(n), "vector": [1, n], "text": "x" * 50} for n in range(5)])

    found = await vectors.search("docs", [1, 0], k=5)

    assert [item["id"] for item in found["items"]] == ["0", "1"]
    assert found["truncated"]
    for k in (0, 1001):
        with pytest.raises(InvalidRequest, match="k has to be"):
            await vectors.search("docs", [1, 0], k=k)
    with pytest.raises(InvalidRequest, match="1,000 at most"):
        await vectors.upsert("docs", [{"id": str(n), "vector": [1, n]} for n in range(1001)])
    with pytest.raises(InvalidRequest, match="drop_collection"):
        await vectors.delete("docs", filter={})
    with pytest.raises(InvalidRequest, match="of 2 dimensions"):
        await vectors.create_collection("docs", 3)


async def test_what_was_upserted_outlives_a_kill_and_nothing_is_there_by_half(tmp_path: Path) -> None:
    path = tmp_path / "vectors.db"
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SUBPROCESS,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout
    for _ in range(3):
        assert await child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    said = (await child.stdout.read()).split()
    await child.wait()

    count = (await VectorProvider(path=str(path), name="vectors").count("docs"))["count"]

    assert count % 50 == 0
    assert count >= 50 * (3 + len(said))


async def test_a_caller_that_leaves_ends_the_search(
    vectors: VectorProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, rows = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def slow(one: bytes, other: bytes) -> float:
        rows.append(one)
        loop.call_soon_threadsafe(begun.set)
        sum(range(100_000))
        return 0.0

    vectors._store.by = "python"  # type: ignore[misc]
    monkeypatch.setattr(vector_sqlite, "_cosine", slow)
    await vectors.create_collection("docs", 2)
    await vectors.upsert("docs", [{"id": str(n), "vector": [1, n]} for n in range(1000)])
    running = set[asyncio.Future[None]]()
    threads.RUNNING.set(running)
    search = asyncio.ensure_future(vectors.search("docs", [1, 2]))
    await asyncio.wait_for(begun.wait(), 5)
    search.cancel()
    await asyncio.to_thread(eventually, lambda: not running)

    assert len(rows) < 1000


async def test_what_a_caller_left_before_it_could_begin_is_not_done(
    vectors: VectorProvider, tmp_path: Path
) -> None:
    await vectors.create_collection("docs", 2)
    there = await vectors._collection("docs")
    other = sqlite3.connect(tmp_path / "vectors.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    running = set[asyncio.Future[None]]()
    threads.RUNNING.set(running)
    row = vector_values.row(there, {"id": "a", "vector": [1, 2]})
    upsert = asyncio.ensure_future(vectors._store.upsert(there, [row]))
    await asyncio.to_thread(eventually, lambda: running)
    upsert.cancel()
    await asyncio.wait([upsert])
    other.close()
    await asyncio.to_thread(eventually, lambda: not running)

    assert await vectors.count("docs") == {"count": 0}


async def test_a_new_file_that_another_one_has_in_hand_is_waited_for(
    vectors: VectorProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "vectors.db", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE theirs (x)")
    other.execute("BEGIN IMMEDIATE")
    waited = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: other.execute("ROLLBACK"))
    monkeypatch.setattr(vector_sqlite, "time", waited)

    assert await vectors.collections() == []
    other.close()


async def test_no_vector_of_other_dimensions_gets_into_a_collection_that_was_made_anew(
    vectors: VectorProvider,
) -> None:
    await vectors.create_collection("docs", 2)
    before = await vectors._collection("docs")
    await vectors.drop_collection("docs")
    await vectors.create_collection("docs", 3)

    with pytest.raises(InvalidRequest, match="made with other dimensions"):
        await vectors._store.upsert(before, [vector_values.row(before, {"id": "a", "vector": [1, 2]})])
    assert await vectors.count("docs") == {"count": 0}


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("hello, hello, hello" * 100)
    provider = VectorProvider(path=str(path), name="vectors")

    with pytest.raises(CallError, match="cannot be used: file is not a database"):
        await provider.collections()
    assert (await provider.get_health_status())["status"] == "degraded"


async def test_another_program_that_holds_the_file_makes_it_unavailable(
    vectors: VectorProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_sqlite, "WAIT", 0.05)
    await vectors.create_collection("docs", 2)
    other = sqlite3.connect(tmp_path / "vectors.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(Unavailable, match="locked"):
        await vectors.upsert("docs", [{"id": "a", "vector": [1, 2]}])

    other.execute("ROLLBACK")
    other.close()
    assert await vectors.upsert("docs", [{"id": "a", "vector": [1, 2]}]) == {"upserted": 1}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "either a path"),
        ({"path": "a.db", "url": "postgresql://h/d"}, "either a path"),
        ({"path": "/nowhere/a.db"}, "no directory"),
        ({"url": "mysql://h/d"}, "begin with postgresql"),
    ],
)
def test_a_config_that_cannot_be_is_refused_at_the_start(config: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        VectorProvider(name="vectors", **config)

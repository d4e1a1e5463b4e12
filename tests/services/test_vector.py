"""Vectors in a real PostgreSQL with pgvector, which is killed now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers.vector_provider import VectorProvider
from tests.providers.fuzz import Call, answered, calls
from tests.providers.vector_stories import PHASES, Story, is_as_told, stories
from tests.services.pgserver import PASSWORD, Server, pgserver

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with pgserver() as server:
        yield server


@pytest.fixture
async def vectors(server: Server) -> AsyncIterator[VectorProvider]:
    provider = VectorProvider(url=server.url, name="vectors")
    for one in await provider.collections():
        await provider.drop_collection(one["name"])
    yield provider
    await provider.on_disconnected()


@settings(
    max_examples=100,
    phases=PHASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(story=stories)
async def test_it_is_the_same_as_in_sqlite(vectors: VectorProvider, story: Story) -> None:
    await is_as_told(vectors, story)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(VectorProvider, words=["docs", "a", "cosine", "vector"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(vectors: VectorProvider, call: Call) -> None:
    await vectors.create_collection("docs", 2)
    await answered(vectors, call)


async def test_a_server_that_is_killed_under_calls_is_unavailable_until_it_is_back(
    server: Server, vectors: VectorProvider
) -> None:
    await vectors.create_collection("docs", 2)

    async def upsert(batch: int) -> bool:
        items = [{"id": f"{batch}-{n}", "vector": [1, n]} for n in range(200)]
        try:
            await vectors.invoke("upsert", collection="docs", items=items)
        except Unavailable:
            return False
        return True

    async with asyncio.timeout(20):
        running = [asyncio.ensure_future(upsert(batch)) for batch in range(12)]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        server.kill()
        kept = sum(await asyncio.gather(*running))
        with pytest.raises(Unavailable, match="no PostgreSQL"):
            await vectors.invoke("count", collection="docs")
        assert (await vectors.get_health_status())["status"] == "degraded"
        server.start()
        count = (await vectors.invoke("count", collection="docs"))["count"]
        server.kill()
        server.start()
        assert await vectors.invoke("count", collection="docs") == {"count": count}

    assert 1 <= kept < 12
    assert count % 200 == 0
    assert count >= 200 * kept


async def test_two_that_create_the_same_agree(server: Server, vectors: VectorProvider) -> None:
    other = VectorProvider(url=server.url, name="other")
    both = [provider.create_collection(f"c{n}", 2) for n in range(5) for provider in (vectors, other)]

    made = [one["created"] for one in await asyncio.gather(*both)]
    await other.on_disconnected()

    assert sorted(made) == [False] * 5 + [True] * 5


async def test_calls_with_the_same_items_do_not_wait_for_each_other_for_ever(vectors: VectorProvider) -> None:
    await vectors.create_collection("docs", 2)
    items = [{"id": str(n), "vector": [1, n]} for n in range(100)]

    calls = [vectors.upsert("docs", items[::step]) for step in (1, -1) for _ in range(4)]
    done = await asyncio.gather(*calls)

    assert done == [{"upserted": 100}] * 8


async def test_a_caller_that_leaves_ends_the_work_of_the_server(
    server: Server, vectors: VectorProvider
) -> None:
    await vectors.create_collection("docs", 2)
    store = vectors._store

    async def sleep() -> None:
        async with store._connection() as db:  # type: ignore[attr-defined]
            await db.execute("SELECT pg_sleep(600) /* slow */")

    async def asleep() -> int:
        async with store._connection() as db:  # type: ignore[attr-defined]
            found = await db.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"
            )
            return int((await found.fetchone())[0])

    async def until(number: int) -> None:
        async with asyncio.timeout(10):
            while await asleep() != number:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    sleeping = asyncio.ensure_future(sleep())
    await until(1)
    sleeping.cancel()
    await until(0)


@pytest.mark.parametrize("wrong", ["other%20word", "pass%20wordy"])
async def test_a_password_that_is_wrong_is_not_repeated(server: Server, wrong: str) -> None:
    url = server.url.replace(PASSWORD.replace(" ", "%20"), wrong)
    provider = VectorProvider(url=url, name="vectors")

    with pytest.raises(CallError, match="password authentication failed") as told:
        await provider.collections()

    assert told.value.code == "provider_error"
    assert wrong not in told.value.message
    assert wrong.replace("%20", " ") not in told.value.message


async def test_a_caller_that_leaves_while_the_server_is_asked_leaves_no_connection_behind(
    server: Server, vectors: VectorProvider
) -> None:
    (idle,) = vectors._store._idle  # type: ignore[attr-defined]
    stopped = asyncio.ensure_future(vectors.collections())
    await asyncio.sleep(0)
    assert vectors._store._idle == []  # type: ignore[attr-defined]
    stopped.cancel()
    await asyncio.wait([stopped])

    assert stopped.cancelled()
    assert idle.closed


async def test_a_collection_that_another_dropped_is_told(server: Server, vectors: VectorProvider) -> None:
    await vectors.create_collection("docs", 2)
    there = await vectors._collection("docs")
    await vectors.drop_collection("docs")

    with pytest.raises(InvalidRequest, match="dropped meanwhile"):
        await vectors._store.count(there, [])


async def test_a_url_that_cannot_be_read_is_not_repeated() -> None:
    provider = VectorProvider(url="postgresql://me:secret-word@[::1/none", name="vectors")

    with pytest.raises(CallError, match="url cannot be read") as told:
        await provider.collections()

    assert "secret-word" not in told.value.message


async def test_those_that_are_equally_near_come_by_their_ids(vectors: VectorProvider) -> None:
    await vectors.create_collection("docs", 2)
    for id in ("b", "a", "B"):
        await vectors.upsert("docs", [{"id": id, "vector": [1, 2]}])

    found = await vectors.search("docs", [1, 0])

    assert [item["id"] for item in found["items"]] == ["B", "a", "b"]


async def test_of_those_that_are_equally_near_the_first_ids_are_given(vectors: VectorProvider) -> None:
    await vectors.create_collection("docs", 2)
    for id in ("c", "b", "a", "B"):
        await vectors.upsert("docs", [{"id": id, "vector": [1, 2]}])

    found = await vectors.search("docs", [1, 0], k=2)

    assert [item["id"] for item in found["items"]] == ["B", "a"]


async def test_an_index_that_somebody_made_is_used(server: Server, vectors: VectorProvider) -> None:
    """One that looks at no more than 5 gives no more."""
    await vectors.create_collection("docs", 2)
    await vectors.upsert("docs", [{"id": str(n), "vector": [1, n]} for n in range(500)])
    async with vectors._store._connection() as db:  # type: ignore[attr-defined]
        await db.execute(
            "CREATE INDEX ON gleitzeit_vectors_docs USING hnsw (vector vector_cosine_ops) WITH (m = 2)"
        )
    options = "?options=-c%20hnsw.ef_search%3D5%20-c%20enable_seqscan%3Doff"
    other = VectorProvider(url=server.url + options, name="other")

    found = await other.search("docs", [1, 0], k=20)
    await other.on_disconnected()

    assert 1 <= len(found["items"]) < 20


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    provider = VectorProvider(url="postgresql://me:secret-word@127.0.0.1:9/none", name="vectors")

    with pytest.raises(Unavailable, match="no PostgreSQL") as told:
        await provider.collections()

    assert "secret-word" not in told.value.message

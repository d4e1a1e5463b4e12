"""Documents in a server that speaks MongoDB's protocol and nobody here wrote; it is killed now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.client import ClientError
from gleitzeit_extensions.testing import serving
from providers import mongo_provider
from providers.mongo_provider import MongoProvider
from tests.providers.fuzz import Call, answered, calls
from tests.services.mongo import PASSWORD, Mongo, mongo

pytestmark = pytest.mark.anyio

ID = {"$oid": "0123456789abcdef01234567"}
WHEN = {"$date": "2026-11-23T00:00:00Z"}


@pytest.fixture(scope="module")
def server() -> Iterator[Mongo]:
    with mongo() as server:
        yield server


@pytest.fixture
async def shop(server: Mongo) -> AsyncIterator[MongoProvider]:
    provider = MongoProvider(database="shop", url=server.url, allow_writes=True, name="mongo")
    for name in (await provider.collections())["collections"]:
        await provider.delete(name, {}, many=True)
    yield provider
    await provider.on_disconnected()


async def test_every_method_does_what_it_says(shop: MongoProvider) -> None:
    things = [{"_id": ID, "n": 0, "when": WHEN}, *({"_id": n, "n": n, "kind": n % 2} for n in range(1, 10))]
    assert await shop.invoke("insert", collection="c", documents=things) == {
        "ids": [ID, *range(1, 10)],
    }
    assert await shop.invoke("find_one", collection="c", filter={"_id": ID}) == {"document": things[0]}
    assert await shop.invoke("find_one", collection="c", filter={"when": WHEN}, projection={"n": 1}) == {
        "document": {"_id": ID, "n": 0}
    }
    assert await shop.invoke("find_one", collection="c", filter={"n": 99}) == {"document": None}
    page = await shop.invoke(
        "find", collection="c", filter={"n": {"$gt": 2}}, sort={"n": -1}, skip=1, limit=3
    )
    assert ([one["n"] for one in page["documents"]], page["truncated"]) == ([8, 7, 6], True)
    assert await shop.invoke("count", collection="c", filter={"kind": 1}) == {"count": 5}
    groups = await shop.invoke(
        "aggregate",
        collection="c",
        pipeline=[
            {"$match": {"kind": {"$exists": True}}},
            {"$group": {"_id": "$kind", "sum": {"$sum": "$n"}}},
            {"$sort": {"_id": 1}},
        ],
    )
    assert groups == {"documents": [{"_id": 0, "sum": 20}, {"_id": 1, "sum": 25}], "truncated": False}

    changed = await shop.invoke(
        "update", collection="c", filter={"kind": 1}, update={"$set": {"kind": 3}}, many=True
    )
    assert changed == {"matched": 5, "modified": 5, "upserted_id": None}
    made = await shop.invoke(
        "update", collection="c", filter={"_id": "new"}, update={"$inc": {"n": 1}}, upsert=True
    )
    assert (made["matched"], made["upserted_id"]) == (0, "new")
    assert await shop.invoke("delete", collection="c", filter={"kind": 3}) == {"deleted": 1}
    assert await shop.invoke("delete", collection="c", filter={"kind": 3}, many=True) == {"deleted": 4}
    assert "c" in (await shop.invoke("collections"))["collections"]
    (index,) = (await shop.invoke("indexes", collection="c"))["indexes"]
    assert index["name"] == "_id_"
    assert await shop.get_health_status() == {"healthy": True}


async def test_a_large_answer_is_read_in_batches_up_to_its_bound(server: Mongo, shop: MongoProvider) -> None:
    await shop.insert("big", [{"n": n, "text": "x" * 1000} for n in range(500)])
    whole = await shop.invoke("find", collection="big", limit=1000, sort={"n": 1})
    assert [one["n"] for one in whole["documents"]] == list(range(500))
    some = MongoProvider(database="shop", url=server.url, max_bytes=200_000, name="mongo")
    cut = await some.invoke("aggregate", collection="big", pipeline=[{"$sort": {"n": 1}}])
    await some.on_disconnected()
    assert cut["truncated"]
    assert 150 < len(cut["documents"]) < 200


async def test_what_the_server_refuses_is_told_by_its_class(shop: MongoProvider) -> None:
    await shop.insert("c", [{"_id": 1}])
    refused: list[tuple[str, dict[str, Any]]] = [
        ("insert", {"documents": [{"_id": 1}]}),
        ("find", {"filter": {"$nonsense": 1}}),
        ("aggregate", {"pipeline": [{"$nonsense": {}}]}),
        ("update", {"filter": {}, "update": {"$nonsense": {"a": 1}}}),
    ]
    for method, arguments in refused:
        with pytest.raises(InvalidRequest):
            await shop.invoke(method, collection="c", **arguments)


async def test_who_may_only_read_is_told_so_by_the_server(server: Mongo, shop: MongoProvider) -> None:
    await shop.insert("c", [{"_id": 1}])
    url = server.url.replace("admin:", "reader:")
    reader = MongoProvider(database="shop", url=f"{url}?authSource=admin", allow_writes=True, name="mongo")
    assert await reader.invoke("count", collection="c") == {"count": 1}
    with pytest.raises(CallError, match="refuses the user of `url`") as told:
        await reader.invoke("insert", collection="c", documents=[{}])
    await reader.on_disconnected()
    assert told.value.code == "provider_error"


@pytest.mark.parametrize("change", [(PASSWORD, "another-word"), (f"admin:{PASSWORD}@", "")])
async def test_a_wrong_password_names_the_setting_and_is_not_repeated(
    server: Mongo, change: tuple[str, str]
) -> None:
    provider = MongoProvider(database="shop", url=server.url.replace(*change), name="mongo")
    with pytest.raises(CallError, match="refuses the user of `url`") as told:
        await provider.invoke("find", collection="c")
    await provider.on_disconnected()
    assert told.value.code == "provider_error"
    assert "word" not in told.value.message.replace("password", "")


async def test_a_server_that_is_killed_under_calls_is_unavailable_until_it_is_back(
    server: Mongo, shop: MongoProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_provider, "REACHED_WITHIN", 1.0)
    async with serving(shop) as client:
        kept: list[int] = []

        async def insert(first: int) -> None:
            for n in range(first, first + 1_000_000):
                await client.invoke("mongo", "insert", collection="kept", documents=[{"_id": n}])
                kept.append(n)

        running = [asyncio.ensure_future(insert(one * 1_000_000)) for one in range(2)]
        async with asyncio.timeout(20):
            while len(kept) < 20:  # noqa: ASYNC110 - the fact is the server's
                await asyncio.sleep(0.01)
        server.kill()
        ends = await asyncio.gather(*running, return_exceptions=True)
        with pytest.raises(Unavailable, match=r"no MongoDB at 127\.0\.0\.1"):
            await shop.count("kept")
        assert (await shop.get_health_status())["status"] == "degraded"
        server.start()
        left = await client.invoke("mongo", "count", collection="kept", filter={"_id": {"$in": kept}})
        health = await shop.get_health_status()

    assert [end.code for end in ends if isinstance(end, ClientError)] == ["unavailable"] * 2
    assert left == {"count": len(kept)}
    assert health == {"healthy": True}


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(MongoProvider, words=["c", "$set", "$oid", "$date", "$match", "$group", "a"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(shop: MongoProvider, call: Call) -> None:
    await answered(shop, call)

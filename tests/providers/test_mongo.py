"""What the MongoDB provider asks, allows and answers: by the wire protocol, at a server without a memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import Decimal128, ObjectId
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.testing import serving
from providers import mongo_provider
from providers.mongo_provider import MongoProvider
from tests.providers.fuzz import Call, answered, calls
from tests.providers.mongo_server import FakeMongo, mongo

pytestmark = pytest.mark.anyio

ID = "0123456789abcdef01234567"


@asynccontextmanager
async def provided(**config: Any) -> AsyncIterator[tuple[FakeMongo, MongoProvider]]:
    async with mongo() as fake:
        url = f"mongodb://127.0.0.1:{fake.port}"
        provider = MongoProvider("shop", url, name="mongo", **config)
        try:
            yield fake, provider
        finally:
            await provider.on_disconnected()


async def test_documents_come_in_extended_json_and_are_asked_in_it() -> None:
    async with provided() as (fake, provider):
        when = datetime(2026, 11, 23, tzinfo=UTC)
        fake.documents = [{"_id": ObjectId(ID), "price": Decimal128("1.10"), "when": when, "raw": b"\0"}]
        answer = await provider.invoke(
            "find", collection="things", filter={"_id": {"$oid": ID}}, sort={"when": -1}, skip=2
        )

    (document,) = answer["documents"]
    assert document == {
        "_id": {"$oid": ID},
        "price": {"$numberDecimal": "1.10"},
        "when": {"$date": "2026-11-23T00:00:00Z"},
        "raw": {"$binary": {"base64": "AA==", "subType": "00"}},
    }
    (asked,) = fake.asked
    assert asked["find"] == "things"
    assert asked["$db"] == "shop"
    assert asked["filter"] == {"_id": ObjectId(ID)}
    assert (asked["sort"], asked["skip"]) == ({"when": -1}, 2)
    assert asked["maxTimeMS"] <= 30_000


async def test_an_answer_is_bounded_and_says_so() -> None:
    async with provided(max_documents=2, max_bytes=100) as (fake, provider):
        fake.documents = [{"n": n} for n in range(5)]
        by_number = await provider.invoke("find", collection="c", limit=1000)
        fake.documents = [{"text": "x" * 90}, {"text": "x" * 90}]
        by_size = await provider.invoke("find", collection="c")
        fake.documents = [{"n": 1}]
        whole = await provider.invoke("find", collection="c", limit=1)

    assert by_number == {"documents": [{"n": 0}, {"n": 1}], "truncated": True}
    assert [len(by_size["documents"]), by_size["truncated"]] == [0, True]
    assert whole == {"documents": [{"n": 1}], "truncated": False}


async def test_one_counts_and_what_there_is() -> None:
    async with provided() as (fake, provider):
        fake.documents = [{"name": "a", "n": 3}]
        assert await provider.invoke("find_one", collection="c") == {"document": {"name": "a", "n": 3}}
        assert await provider.invoke("count", collection="c", filter={"a": 1}) == {"count": 3}
        assert await provider.invoke("collections") == {"collections": ["a"]}
        assert await provider.invoke("indexes", collection="c") == {"indexes": [{"name": "a", "n": 3}]}
        fake.documents = []
        assert await provider.invoke("find_one", collection="c") == {"document": None}


async def test_what_is_written_is_told() -> None:
    async with provided(allow_writes=True) as (fake, provider):
        made = await provider.invoke("insert", collection="c", documents=[{"_id": {"$oid": ID}, "a": 1}])
        changed = await provider.invoke("update", collection="c", filter={"a": 1}, update={"$set": {"a": 2}})
        gone = await provider.invoke("delete", collection="c", filter={"a": 2}, many=True)

    assert made == {"ids": [{"$oid": ID}]}
    assert changed == {"matched": 1, "modified": 1, "upserted_id": None}
    assert gone == {"deleted": 1}
    assert fake.asked[0]["documents"] == [{"_id": ObjectId(ID), "a": 1}]
    assert fake.asked[1]["updates"][0]["u"] == {"$set": {"a": 2}}
    assert fake.asked[2]["deletes"] == [{"q": {"a": 2}, "limit": 0}]


WRITING: list[tuple[str, dict[str, Any]]] = [
    ("insert", {"documents": [{}]}),
    ("update", {"filter": {}, "update": {"$set": {"a": 1}}}),
    ("delete", {"filter": {}}),
    ("aggregate", {"pipeline": [{"$out": "other"}]}),
    ("aggregate", {"pipeline": [{"$facet": {"a": [{"$merge": {"into": "other"}}]}}]}),
]


@pytest.mark.parametrize(("method", "arguments"), WRITING)
async def test_nothing_is_written_unless_that_is_allowed(method: str, arguments: dict[str, Any]) -> None:
    async with provided() as (fake, provider):
        with pytest.raises(InvalidRequest, match='"mongo" may only read: `allow_writes: true`'):
            await provider.invoke(method, collection="c", **arguments)
    assert fake.asked == []


ELSEWHERE = {"db": "other", "coll": "c"}


@pytest.mark.parametrize(
    "stage",
    [
        {"$out": ELSEWHERE},
        {"$merge": {"into": ELSEWHERE}},
        {"$lookup": {"from": ELSEWHERE, "as": "found"}},
        {"$facet": {"a": [{"$unionWith": ELSEWHERE}]}},
        {"$graphLookup": {"from": ELSEWHERE}},
    ],
)
async def test_no_pipeline_reaches_another_database(stage: dict[str, Any]) -> None:
    async with provided(allow_writes=True) as (fake, provider):
        with pytest.raises(
            InvalidRequest, match='names the database "other": this provider has "shop" alone'
        ):
            await provider.invoke("aggregate", collection="c", pipeline=[stage])

    assert fake.asked == []


async def test_a_field_may_be_called_db() -> None:
    stages = [{"$match": {"db": "other"}}, {"$out": {"db": "shop", "coll": "c"}}]
    async with provided(allow_writes=True) as (fake, provider):
        await provider.invoke("aggregate", collection="c", pipeline=stages)

    assert [asked["pipeline"] for asked in fake.asked] == [stages]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("find", {"filter": {"$where": "sleep(1000)"}}),
        ("find", {"filter": {"$or": [{"$and": [{"$where": "1"}]}]}}),
        ("find", {"projection": {"a": {"$function": {"body": "", "args": [], "lang": "js"}}}}),
        ("count", {"filter": {"$expr": {"$function": {}}}}),
        ("aggregate", {"pipeline": [{"$group": {"_id": 1, "a": {"$accumulator": {}}}}]}),
        ("update", {"filter": {"$where": "1"}, "update": {"$set": {"a": 1}}}),
        ("delete", {"filter": {"$where": "1"}}),
    ],
)
async def test_no_script_reaches_the_server(method: str, arguments: dict[str, Any]) -> None:
    async with provided(allow_writes=True) as (fake, provider):
        with pytest.raises(InvalidRequest, match="would run JavaScript on the server"):
            await provider.invoke(method, collection="c", **arguments)
    assert fake.asked == []


@pytest.mark.parametrize("name", ["", "system.users", "a$b", "a\0b", "$cmd"])
async def test_only_an_ordinary_collection_can_be_named(name: str) -> None:
    async with provided() as (fake, provider):
        with pytest.raises(InvalidRequest, match="cannot be the name of a collection"):
            await provider.invoke("find", collection=name)
    assert fake.asked == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"filter": {"_id": {"$oid": "short"}}}, "no extended JSON"),
        ({"limit": 0}, "limit is 1 or more"),
        ({"skip": -1}, "skip 0 or more"),
        ({"filter": {"n": 10**30}}, "cannot be asked"),
    ],
)
async def test_what_cannot_be_asked_is_told(arguments: dict[str, Any], words: str) -> None:
    async with provided() as (_, provider):
        with pytest.raises(InvalidRequest, match=words):
            await provider.invoke("find", collection="c", **arguments)


async def test_a_stream_of_changes_is_no_answer() -> None:
    async with provided() as (_, provider):
        with pytest.raises(InvalidRequest, match="has no end"):
            await provider.invoke("aggregate", collection="c", pipeline=[{"$changeStream": {}}])


@pytest.mark.parametrize(
    ("failure", "code", "words"),
    [
        ({"code": 18, "errmsg": "Authentication failed."}, "provider_error", "the user of `url`"),
        ({"code": 50, "errmsg": "operation exceeded time limit"}, "deadline_exceeded", "longer than it may"),
        ({"code": 2, "errmsg": "unknown operator: $foo"}, "invalid_request", "unknown operator: \\$foo"),
        ({"code": 10107, "errmsg": "not primary"}, "unavailable", "not primary"),
    ],
)
async def test_a_refusal_is_told_by_its_class(failure: dict[str, Any], code: str, words: str) -> None:
    async with provided() as (fake, provider):
        fake.failure = failure
        with pytest.raises(CallError, match=words) as told:
            await provider.invoke("find", collection="c")
    assert told.value.code == code


async def test_a_server_that_is_down_is_unavailable_and_degrades_the_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mongo_provider, "HEALTH_WITHIN", 0.2)
    provider = MongoProvider("shop", "mongodb://me:hidden@127.0.0.1:9/", timeout=0.3, name="mongo")
    with pytest.raises(Unavailable, match=r"no MongoDB at 127\.0\.0\.1:9: ") as told:
        await provider.invoke("find", collection="c")
    health = await provider.get_health_status()
    assert (health["healthy"], health["status"]) == (True, "degraded")
    assert "hidden" not in told.value.message + health["reason"]
    await provider.on_disconnected()


async def test_a_server_that_is_down_is_not_looked_for_as_long_as_it_may_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mongo_provider, "REACHED_WITHIN", 0.3)
    provider = MongoProvider("shop", "mongodb://127.0.0.1:9/", timeout=60, name="mongo")
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match=r"no MongoDB at 127\.0\.0\.1:9: "):
            await provider.invoke("find", collection="c")
    await provider.on_disconnected()


async def test_a_server_that_says_nothing_costs_no_more_than_the_time_allowed() -> None:
    async with provided(timeout=1) as (fake, provider):
        fake.silent = True
        with pytest.raises(CallError) as told:
            await provider.invoke("find", collection="c")
        assert told.value.code in ("deadline_exceeded", "unavailable")
        fake.silent = False
        assert await provider.invoke("find", collection="c") == {"documents": [], "truncated": False}


async def test_a_caller_that_leaves_is_waited_for_by_nobody() -> None:
    async with provided() as (fake, provider), serving(provider) as client:
        fake.silent = True
        call = asyncio.ensure_future(client.invoke("mongo", "find", collection="c"))
        await asyncio.wait_for(fake.heard.wait(), 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        fake.silent = False
        assert await client.invoke("mongo", "count", collection="c") == {"count": 0}


@pytest.mark.parametrize("url", ["mongodb://me:hid/den@host:1/x", "http://host", "host:27017"])
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="url cannot be read: write it like mongodb://") as told:
        MongoProvider("shop", url, name="mongo")
    assert "den" not in str(told.value).replace("hidden", "")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(MongoProvider, words=["c", "$set", "$oid", "$date", "$where", "$binary", "$out"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call) -> None:
    async with provided(allow_writes=True, timeout=2) as (fake, provider):
        fake.documents = [{"_id": ObjectId(ID), "name": "a", "n": 1}]
        await answered(provider, call)

"""Keys and messages of a real Redis, which is killed now and then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.client import Unavailable as ToldUnavailable
from gleitzeit_extensions.testing import serving
from providers import redis_provider, redis_server
from providers.redis_provider import RedisProvider
from tests.providers.fuzz import Call, answered, calls
from tests.services.redis import PASSWORD, Redis, redis

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    with redis() as server:
        yield server


@asynccontextmanager
async def provided(server: Redis, **config: Any) -> AsyncIterator[RedisProvider]:
    provider = RedisProvider(**{"url": server.url, **config}, name="redis")
    try:
        yield provider
    finally:
        await provider.on_disconnected()


@pytest.fixture
async def keys(server: Redis) -> AsyncIterator[RedisProvider]:
    server.ask("FLUSHALL")
    async with provided(server) as provider:
        yield provider


def subscribed(stream: AsyncIterator[Any]) -> aclosing[AsyncGenerator[Any, None]]:
    """It is closed at the end of the block."""
    return aclosing(cast("AsyncGenerator[Any, None]", stream))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the fact is the server's
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", ""),
        ("grüße", "grüße"),
        ({"base64": "/wA="}, {"base64": "/wA="}),
        ({"base64": "aGk="}, "hi"),
        (12, "12"),
        ({"a": [1, None, "ü"]}, '{"a": [1, null, "ü"]}'),
    ],
)
async def test_a_value_is_text_or_bytes_and_other_json_becomes_text(
    keys: RedisProvider, value: Any, read: Any
) -> None:
    assert await keys.invoke("set", key="a", value=value) == {"set": True}
    assert await keys.invoke("get", key="a") == {"value": read}
    assert await keys.invoke("get_many", keys=["a", "none"]) == {"values": {"a": read, "none": None}}


async def test_a_key_lives_as_long_as_it_is_told(keys: RedisProvider, server: Redis) -> None:
    assert await keys.invoke("set", key="a", value="1", expire=100, only_if_absent=True) == {"set": True}
    assert await keys.invoke("set", key="a", value="2", only_if_absent=True) == {"set": False}
    left = await keys.invoke("ttl", key="a")
    assert left["exists"]
    assert 90 < left["seconds"] <= 100
    assert await keys.invoke("expire", key="a", seconds=None) == {"changed": True}
    assert await keys.invoke("ttl", key="a") == {"exists": True, "seconds": None}
    assert await keys.invoke("exists", keys=["a", "a", "b"]) == {"exists": 1}
    assert await keys.invoke("expire", key="a", seconds=0.001) == {"changed": True}
    await until(lambda: server.ask("EXISTS", "a") == "0")
    assert await keys.invoke("ttl", key="a") == {"exists": False, "seconds": None}
    assert await keys.invoke("delete", keys=["a"]) == {"deleted": 0}


async def test_numbers_hashes_lists_and_sets(keys: RedisProvider) -> None:
    assert await keys.invoke("increment", key="n", by=-5) == {"value": -5}
    assert await keys.invoke("increment", key="h", field="n") == {"value": 1}

    assert await keys.invoke("hash_set", key="h", fields={"x": 1, "n": "2"}) == {"added": 1}
    assert await keys.invoke("hash_get", key="h") == {"fields": {"n": "2", "x": "1"}, "next": None}
    assert (await keys.invoke("hash_get", key="h", fields=["x", "z"]))["fields"] == {"x": "1", "z": None}
    assert await keys.invoke("hash_delete", key="h", fields=["x", "z"]) == {"deleted": 1}

    assert await keys.invoke("list_push", key="l", values=["c", "d"]) == {"length": 2}
    assert await keys.invoke("list_push", key="l", values=["b", "a"], first=True) == {"length": 4}
    assert await keys.invoke("list_range", key="l") == {"values": ["a", "b", "c", "d"], "length": 4}
    assert (await keys.invoke("list_range", key="l", start=1, count=2))["values"] == ["b", "c"]
    assert (await keys.invoke("list_range", key="l", start=-2, count=3))["values"] == ["c", "d"]
    assert await keys.invoke("list_pop", key="l") == {"value": "a"}
    assert await keys.invoke("list_pop", key="l", last=True) == {"value": "d"}
    assert await keys.invoke("list_pop", key="none") == {"value": None}

    assert await keys.invoke("set_add", key="s", members=["a", "b", "a"]) == {"added": 2}
    assert await keys.invoke("set_contains", key="s", members=["a", "z"]) == {"contains": [True, False]}
    assert await keys.invoke("set_remove", key="s", members=["a", "z"]) == {"removed": 1}
    assert await keys.invoke("set_members", key="s") == {"members": ["b"], "next": None}


async def test_a_sorted_set_is_read_from_either_end_in_pages(keys: RedisProvider) -> None:
    assert await keys.invoke("sorted_add", key="z", scores={"a": 1, "b": 2.5, "c": 3}) == {"added": 3}
    first = await keys.invoke("sorted_range", key="z", count=2)
    best = await keys.invoke("sorted_range", key="z", descending=True, max_score=2.5)
    rest = await keys.invoke("sorted_range", key="z", start=2, min_score=1)

    assert first == {
        "members": [{"member": "a", "score": 1}, {"member": "b", "score": 2.5}],
        "truncated": True,
    }
    assert best == {
        "members": [{"member": "b", "score": 2.5}, {"member": "a", "score": 1}],
        "truncated": False,
    }
    assert rest == {"members": [{"member": "c", "score": 3}], "truncated": False}
    assert await keys.invoke("sorted_remove", key="z", members=["a", "none"]) == {"removed": 1}


async def test_an_infinite_score_is_told_in_words(keys: RedisProvider, server: Redis) -> None:
    server.ask("ZADD", "z", "-inf", "a", "+inf", "b")
    answer = await keys.invoke("sorted_range", key="z")
    assert [one["score"] for one in answer["members"]] == ["-inf", "inf"]


@pytest.mark.parametrize(
    ("method", "key", "of"),
    [("scan", None, "keys"), ("hash_get", "h", "fields"), ("set_members", "s", "members")],
)
async def test_what_is_large_is_read_in_pages(
    keys: RedisProvider, server: Redis, method: str, key: str | None, of: str
) -> None:
    names = [f"name-{n}" for n in range(600)]
    if key is None:
        await asyncio.gather(*[keys.set(name, "x") for name in names])
    await keys.hash_set("h", dict.fromkeys(names, "x"))
    await keys.set_add("s", names)

    about = {"pattern": "name-*"} if key is None else {"key": key}
    read: list[str] = []
    page: dict[str, Any] = {"next": "0"}
    pages = 0
    while page["next"] is not None:
        page = await keys.invoke(method, **about, cursor=page["next"])
        pages += 1
        read += page[of]

    assert sorted({*read}) == sorted(names)
    assert pages > 3


async def test_who_has_a_prefix_reaches_nothing_else(keys: RedisProvider, server: Redis) -> None:
    odd = "t*[a]?\\:"
    await keys.set("tx[a]y\\:secret", "of another")
    await keys.set("secret", "of another")
    async with provided(server, prefix=odd) as tenant:
        await tenant.set("own", "1")
        assert await tenant.invoke("scan") == {"keys": ["own"], "next": None}
        assert await tenant.invoke("scan", pattern="../*") == {"keys": [], "next": None}
        assert await tenant.invoke("exists", keys=["secret", "*", ""]) == {"exists": 0}
        async with subscribed(tenant.subscribe(channels=["news"], patterns=["n*"])) as heard:
            assert await anext(heard) == {"subscribed": True}
            assert await keys.invoke("publish", channel="news", message="of others") == {"receivers": 0}
            assert await tenant.invoke("publish", channel="news", message="own") == {"receivers": 2}
            both = [await anext(heard), await anext(heard)]
    assert server.ask("GET", odd + "own") == "1"
    assert both == [
        {"channel": "news", "pattern": None, "message": "own"},
        {"channel": "news", "pattern": "n*", "message": "own"},
    ]


async def test_who_may_only_read_changes_nothing(keys: RedisProvider, server: Redis) -> None:
    writing: list[tuple[str, dict[str, Any]]] = [
        ("set", {"key": "a", "value": "x"}),
        ("delete", {"keys": ["a"]}),
        ("expire", {"key": "a", "seconds": 1}),
        ("increment", {"key": "a"}),
        ("hash_set", {"key": "a", "fields": {"x": 1}}),
        ("hash_delete", {"key": "a", "fields": ["x"]}),
        ("list_push", {"key": "a", "values": ["x"]}),
        ("list_pop", {"key": "a"}),
        ("set_add", {"key": "a", "members": ["x"]}),
        ("set_remove", {"key": "a", "members": ["x"]}),
        ("sorted_add", {"key": "a", "scores": {"x": 1}}),
        ("sorted_remove", {"key": "a", "members": ["x"]}),
        ("publish", {"channel": "a", "message": "x"}),
    ]
    await keys.set("a", "kept")
    async with provided(server, read_only=True) as reader:
        for method, arguments in writing:
            with pytest.raises(InvalidRequest, match='"redis" may only read: `read_only: false`'):
                await reader.invoke(method, **arguments)
        assert await reader.invoke("get", key="a") == {"value": "kept"}
    assert server.ask("DBSIZE") == "1"


async def test_what_is_too_large_is_neither_kept_nor_answered(keys: RedisProvider, server: Redis) -> None:
    async with provided(server, max_bytes=1000) as small:
        with pytest.raises(InvalidRequest, match='1,001 bytes, and `max_bytes` of "redis" allows 1,000'):
            await small.set("a", "x" * 1001)
        assert server.ask("DBSIZE") == "0"
        await keys.set("a", "x" * 501)
        await keys.set("b", "x" * 501)
        assert await small.invoke("get", key="a") == {"value": "x" * 501}
        reading = [
            small.get_many(["a", "b"]),
            small.list_range("l"),
            small.hash_get("h"),
            small.hash_get("h", ["f"]),
            small.set_members("s"),
        ]
        await keys.list_push("l", ["x" * 1001])
        await keys.hash_set("h", {"f": "x" * 1001})
        await keys.set_add("s", ["x" * 1001])
        for one in reading:
            with pytest.raises(InvalidRequest, match="max_bytes"):
                await one
        async with subscribed(small.subscribe(channels=["c"])) as heard:
            assert await anext(heard) == {"subscribed": True}
            await keys.publish("c", "x" * 1001)
            await keys.publish("c", "x")
            assert await anext(heard) == {"channel": "c", "pattern": None, "message": None, "bytes": 1001}
            assert (await anext(heard))["message"] == "x"


async def test_an_operation_on_another_kind_of_value_is_the_callers_mistake(keys: RedisProvider) -> None:
    await keys.list_push("l", ["a"])
    for call in (keys.get("l"), keys.increment("l"), keys.set_add("l", ["a"]), keys.hash_get("l")):
        with pytest.raises(InvalidRequest, match="WRONGTYPE"):
            await call


async def test_a_name_that_has_no_form_in_bytes_is_refused(keys: RedisProvider) -> None:
    for call in (keys.get("\ud800"), keys.hash_set("h", {"\ud800": 1}), keys.scan("\ud800")):
        with pytest.raises(InvalidRequest, match="no form in UTF-8"):
            await call


@pytest.mark.parametrize(
    ("was", "now"),
    [(PASSWORD, "another-word"), ("admin", "nobody"), (f"admin:{PASSWORD}@", "")],
)
async def test_a_wrong_password_names_the_setting_and_is_not_repeated(
    server: Redis, was: str, now: str
) -> None:
    async with provided(server, url=server.url.replace(was, now)) as provider:
        with pytest.raises(CallError, match="refuses the user of `url`") as told:
            await provider.get("a")
        health = await provider.get_health_status()
    assert told.value.code == "provider_error"
    assert health["status"] == "degraded"
    assert "word" not in told.value.message.replace("password pair", "")


async def test_a_user_that_may_not_is_told(server: Redis) -> None:
    server.ask("ACL", "SETUSER", "reader", "on", ">reading", "~mine:*", "+get", "+strlen", "+mget")
    async with provided(server, url=f"redis://reader:reading@127.0.0.1:{server.port}") as provider:
        with pytest.raises(CallError, match="refuses the user of `url`") as told:
            await provider.set("mine:a", "x")
        with pytest.raises(CallError, match="refuses the user of `url`"):
            await provider.get("other:a")
        assert await provider.get("mine:a") == {"value": None}
    assert told.value.code == "provider_error"


async def test_a_server_that_is_killed_under_calls_is_unavailable_until_it_is_back(
    server: Redis, keys: RedisProvider
) -> None:
    async with serving(keys) as client:
        kept: list[int] = []

        async def count() -> None:
            while True:
                kept.append((await client.invoke("redis", "increment", key="n"))["value"])

        running = [asyncio.ensure_future(count()) for _ in range(2)]
        stream = client.stream("redis", "subscribe", channels=["c"])
        assert await anext(stream) == {"subscribed": True}
        await until(lambda: len(kept) >= 50)
        server.kill()
        ends = await asyncio.gather(*running, return_exceptions=True)
        with pytest.raises(ToldUnavailable, match=r"no Redis at 127\.0\.0\.1"):
            await anext(stream)
        # Asked directly: after a few failures the hub would keep calls until the server is back.
        with pytest.raises(Unavailable, match=r"no Redis at 127\.0\.0\.1"):
            await keys.get("n")
        assert (await keys.get_health_status())["status"] == "degraded"
        server.start()
        left = int((await client.invoke("redis", "get", key="n"))["value"])
        health = await keys.get_health_status()

    assert [type(end) for end in ends] == [ToldUnavailable] * 2
    assert len({*kept}) == len(kept)
    assert left >= max(kept)
    assert health == {"healthy": True}


async def test_a_subscription_that_the_server_ends_says_so(server: Redis, keys: RedisProvider) -> None:
    async with subscribed(keys.subscribe(channels=["c"])) as heard:
        assert await anext(heard) == {"subscribed": True}
        server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        with pytest.raises(Unavailable, match="no Redis at"):
            await anext(heard)


async def test_a_subscription_to_a_server_that_says_nothing_ends(
    server: Redis, keys: RedisProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_provider, "QUIET", 0.2)
    async with subscribed(keys.subscribe(channels=["c"])) as heard:
        assert await anext(heard) == {"subscribed": True}
        next_one = asyncio.ensure_future(anext(heard))
        # Several pings are answered before the server stops.
        done, _ = await asyncio.wait([next_one], timeout=1)
        assert not done
        await keys.publish("c", "still")
        assert (await next_one)["message"] == "still"
        server.freeze()
        try:
            async with asyncio.timeout(5):
                with pytest.raises(Unavailable, match="says nothing any more"):
                    await anext(heard)
        finally:
            server.thaw()


async def test_a_reader_that_lags_far_behind_is_told_that_it_lost_messages(
    server: Redis, keys: RedisProvider
) -> None:
    server.ask("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 1mb 1")
    async with subscribed(keys.subscribe(channels=["c"])) as heard:
        assert await anext(heard) == {"subscribed": True}
        for _ in range(40):
            await keys.publish("c", "x" * 1_000_000)
        with pytest.raises(Unavailable):
            async for _ in heard:
                pass


async def test_a_caller_that_leaves_gives_nobody_its_answer(server: Redis, keys: RedisProvider) -> None:
    await keys.set("a", "of the first")
    await keys.set("b", "of the second")
    server.freeze()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await keys.get("a")
        second = asyncio.ensure_future(keys.get("b"))
        health = await keys.get_health_status()
    finally:
        server.thaw()
    assert health["reason"].endswith("it did not answer in time")
    assert await second == {"value": "of the second"}


async def test_a_server_that_says_nothing_is_unavailable(
    server: Redis, keys: RedisProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keys.set("a", "1")
    monkeypatch.setattr(redis_server, "ANSWERS_WITHIN", 0.3)
    async with provided(server) as impatient:
        server.freeze()
        try:
            with pytest.raises(Unavailable, match="it did not answer in time"):
                await impatient.get("a")
        finally:
            server.thaw()
        assert await impatient.get("a") == {"value": "1"}


async def test_nobody_hears_any_more_when_a_caller_leaves(server: Redis, keys: RedisProvider) -> None:
    async with serving(keys) as client:
        stream = client.stream("redis", "subscribe", channels=["c"])
        assert await anext(stream) == {"subscribed": True}
        assert server.ask("PUBSUB", "NUMSUB", "c").split() == ["c", "1"]
        stream.close()
        await until(lambda: server.ask("PUBSUB", "NUMSUB", "c").split() == ["c", "0"])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(RedisProvider, words=["a", "b", "*", "0", "base64"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(keys: RedisProvider, call: Call) -> None:
    # A subscription has no end of its own.
    with suppress(TimeoutError):
        async with asyncio.timeout(0.02 if call[0] == "subscribe" else 10) as limit:
            await answered(keys, call)
    assert not limit.expired() or call[0] == "subscribe"

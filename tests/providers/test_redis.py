"""What the Redis provider needs no server for; the rest is in tests/services/test_redis.py."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeit_extensions import InvalidRequest, Unavailable
from providers.redis_provider import RedisProvider
from providers.redis_values import as_bytes, as_value

pytestmark = pytest.mark.anyio

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(data=st.binary())
def test_bytes_that_are_read_can_be_written_again(data: bytes) -> None:
    assert as_bytes(as_value(data)) == data


@given(value=JSON)
def test_every_value_of_json_can_be_kept(value: Any) -> None:
    kept = as_bytes(value)
    assert as_bytes(as_value(kept)) == kept


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"base64": "=?"}, "no base64"),
        ("\ud800", "no form in UTF-8"),
        (nested(5000), "nested too deeply"),
    ],
)
def test_what_cannot_be_kept_is_refused(value: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        as_bytes(value)


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("get_many", {"keys": []}, "1 to 1,000 names or values, not 0"),
        ("delete", {"keys": ["a"] * 1001}, "not 1,001"),
        ("scan", {"cursor": "-1"}, '"-1" is no cursor: take `next`'),
        ("scan", {"cursor": "٣"}, "is no cursor"),
        ("scan", {"count": 0}, "count has to be from 1 to 1,000"),
        ("list_range", {"key": "a", "count": 1001}, "count has to be from 1 to 1,000"),
        ("sorted_range", {"key": "a", "start": -1}, "start is 0 or more"),
        ("set", {"key": "a", "value": "", "expire": 0}, "seconds have to be from 0.001"),
        ("expire", {"key": "a", "seconds": 1e300}, "seconds have to be from 0.001"),
    ],
)
async def test_what_cannot_be_asked_is_told_before_anybody_is_asked(
    method: str, arguments: dict[str, Any], words: str
) -> None:
    provider = RedisProvider(url="redis://127.0.0.1:9", name="redis")
    with pytest.raises(InvalidRequest, match=words):
        await provider.invoke(method, **arguments)
    await provider.on_disconnected()


async def test_who_subscribes_to_nothing_is_told() -> None:
    provider = RedisProvider(name="redis")
    with pytest.raises(InvalidRequest, match="1 to 1,000 names or values, not 0"):
        await anext(provider.subscribe(channels=[]))
    await provider.on_disconnected()


async def test_a_server_that_is_not_there_is_unavailable_and_degrades_the_health() -> None:
    provider = RedisProvider(url="redis://me:hidden-word@127.0.0.1:9", name="redis")
    with pytest.raises(Unavailable, match=r"no Redis at 127\.0\.0\.1:9: ") as told:
        await provider.get("a")
    with pytest.raises(Unavailable):
        await anext(provider.subscribe(channels=["c"]))
    health = await provider.get_health_status()
    assert (health["healthy"], health["status"]) == (True, "degraded")
    assert "hidden-word" not in told.value.message + health["reason"]
    await provider.on_disconnected()


@pytest.mark.parametrize("url", ["redis://me:hid/den@host:1/0", "http://host", "host:6379", "redis://h:x"])
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="url cannot be read: write it like redis://") as told:
        RedisProvider(url=url, name="redis")
    assert "den" not in str(told.value)

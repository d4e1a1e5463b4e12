"""The object store at a server that answers as S3 does."""

from __future__ import annotations

import asyncio
import base64
import os
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.testing import serving
from providers.cloud_provider import ObjectStoreProvider
from tests.providers.fuzz import Call, answered, calls
from tests.services.s3 import BUCKET, S3, s3

pytestmark = pytest.mark.anyio

PLAIN = {"Content-Type": "application/octet-stream"}
"""Else urllib sends a form."""


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(ObjectStoreProvider, words=["a", "a/b", "GET", "PUT", "text"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(server: S3, call: Call) -> None:
    await answered(provider(server, url=f"s3://{BUCKET}/anything"), call)


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3() as running:
        yield running


def provider(server: S3, **more: Any) -> ObjectStoreProvider:
    options = {
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "hidden-secret",
        "region": "us-east-1",
        "endpoint": server.url,
    }
    config = {"url": f"s3://{BUCKET}/mine", "options": options, "read_only": False, **more}
    return ObjectStoreProvider(name="store", **config)


async def test_every_method_does_what_it_says(server: S3) -> None:
    store = provider(server)
    data = os.urandom(1000)
    done = await store.invoke(
        "put", path="a/b.bin", base64=base64.b64encode(data).decode(), content_type="application/x-mine"
    )
    for path in ("a/c", "d"):
        await store.invoke("put", path=path, text="text")

    head = await store.invoke("head", path="a/b.bin")
    assert (head["etag"], head["content_type"]) == (done["etag"], "application/x-mine")
    got = await store.invoke("get", path="a/b.bin", start=10, length=20, encoding="base64")
    assert (base64.b64decode(got["base64"]), got["truncated"], got["size"]) == (data[10:30], True, 1000)
    pieces = [item async for item in store.stream("a/b.bin")]
    assert b"".join(base64.b64decode(item["base64"]) for item in pieces) == data

    first = await store.invoke("list", limit=2)
    assert [one["path"] for one in first["objects"]] == ["a/b.bin", "a/c"]
    rest = await store.invoke("list", after=first["next"])
    assert ([one["path"] for one in rest["objects"]], rest["next"]) == (["d"], None)
    direct = await store.invoke("folders")
    assert (direct["folders"], [one["path"] for one in direct["objects"]]) == (["a"], ["d"])

    await store.invoke("copy", source="d", target="e", overwrite=True)
    await store.invoke("move", source="e", target="f", overwrite=True)
    await store.invoke("delete", path="d")
    assert [one["path"] for one in (await store.invoke("list"))["objects"]] == ["a/b.bin", "a/c", "f"]
    assert await store.get_health_status() == {"healthy": True}


async def test_one_that_is_there_or_was_changed_is_a_conflict(server: S3) -> None:
    store = provider(server)
    first = await store.invoke("put", path="once", text="1", create=True)
    with pytest.raises(CallError) as told:
        await store.invoke("put", path="once", text="2", create=True)
    assert told.value.code == "conflict"
    await store.invoke("put", path="once", text="3", if_match=first["etag"])
    with pytest.raises(CallError) as told:
        await store.invoke("put", path="once", text="4", if_match=first["etag"])
    assert told.value.code == "conflict"


async def test_what_s3_cannot_do_is_told(server: S3) -> None:
    store = provider(server)
    await store.invoke("put", path="x", text="1")
    for method in ("copy", "move"):
        with pytest.raises(InvalidRequest, match=r"cannot do that: .*S3 does not support copy-if-not-exists"):
            await store.invoke(method, source="x", target="y")
    with pytest.raises(InvalidRequest, match="it is not empty"):
        await store.invoke("put", path="", text="beside the prefix")


async def test_a_signed_url_is_good_for_anybody(server: S3) -> None:
    store = provider(server)
    signed = await store.invoke("presign", path="by url", write=True, expires=60)
    request = urllib.request.Request(signed["url"], data=b"from outside", headers=PLAIN, method="PUT")
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=10).close())
    assert (await store.invoke("get", path="by url"))["text"] == "from outside"
    signed = await store.invoke("presign", path="by url")

    def read() -> bytes:
        with urllib.request.urlopen(signed["url"], timeout=10) as answer:
            return bytes(answer.read())

    assert await asyncio.to_thread(read) == b"from outside"


async def test_what_is_not_there_is_told(server: S3) -> None:
    with pytest.raises(InvalidRequest, match="there is no such object"):
        await provider(server).invoke("get", path="nowhere")
    with pytest.raises(InvalidRequest, match='"x" in s3://no-such-bucket') as told:
        await provider(server, url="s3://no-such-bucket").invoke("put", path="x", text="1")
    assert "hidden-secret" not in told.value.message


async def test_a_server_that_is_killed_under_calls_is_unavailable_until_it_is_back(server: S3) -> None:
    async with serving(provider(server, timeout=10)) as client:
        await client.invoke("store", "put", path="x", text="1")
        server.kill()
        with pytest.raises(CallError) as told:
            await client.invoke("store", "get", path="x")
        assert told.value.code == "unavailable", told.value.message
        server.start()
        await client.invoke("store", "put", path="x", text="2")
        assert (await client.invoke("store", "get", path="x"))["text"] == "2"


async def test_a_stream_from_a_server_that_is_killed_ends_with_an_error(server: S3) -> None:
    store = provider(server, max_bytes=100_000_000)
    await store.put("big", text="x" * 50_000_000)
    pieces = store.stream("big")
    await anext(pieces)
    server.kill()
    with pytest.raises(Unavailable, match=r"no store at http://127\.0\.0\.1"):
        await all_of(pieces)
    server.start()
    assert await store.get_health_status() == {"healthy": True}


async def all_of(pieces: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in pieces]

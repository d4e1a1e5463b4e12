"""The object store: in memory and in a directory. `tests/services` has the same for S3."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from obstore.exceptions import GenericError

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers import cloud_errors, cloud_provider
from providers.cloud_provider import ObjectStoreProvider
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio

Make = Callable[..., ObjectStoreProvider]


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes a store that may be written, in memory or in a directory."""
    url = "memory:///" if request.param == "memory" else f"file://{tmp_path}"
    return lambda **more: ObjectStoreProvider(url=url, name="store", **{"read_only": False, **more})


async def test_what_is_written_is_read_whole_or_in_part(make: Make) -> None:
    store = make()
    done = await store.invoke("put", path="a/b.txt", text="Grüße")
    assert (done["path"], done["size"]) == ("a/b.txt", 7)

    whole = await store.invoke("get", path="a/b.txt")
    assert (whole["text"], whole["size"], whole["truncated"]) == ("Grüße", 7, False)
    assert whole["etag"] == done["etag"] == (await store.invoke("head", path="a/b.txt"))["etag"]
    part = await store.invoke("get", path="a/b.txt", start=1, length=3)
    assert (part["text"], part["start"], part["truncated"]) == ("rü", 1, True)
    end = await store.invoke("get", path="a/b.txt", start=6, encoding="base64")
    assert (base64.b64decode(end["base64"]), end["truncated"]) == (b"e", False)
    beyond = await store.invoke("get", path="a/b.txt", start=7)
    assert (beyond["text"], beyond["truncated"]) == ("", False)


async def test_more_than_is_allowed_is_neither_given_nor_taken(make: Make) -> None:
    store = make(max_bytes=10)
    with pytest.raises(CallError, match="this has 11 bytes: `max_bytes` is 10") as told:
        await store.invoke("put", path="x", text="x" * 11)
    assert told.value.code == "too_large"
    await make(max_bytes=100).invoke("put", path="x", text="0123456789ABC")
    if store._url.startswith("file"):
        got = await store.invoke("get", path="x")
        assert (got["text"], got["truncated"]) == ("0123456789", True)


async def test_an_object_is_streamed_in_pieces_without_a_broken_character(make: Make) -> None:
    store = make()
    text = "ü" * 300_000
    await store.invoke("put", path="big", text=text)
    items = [item async for item in store.stream("big", encoding="text")]
    assert "".join(item["text"] for item in items) == text
    assert [item["done"] for item in items[-2:]] == [False, True]
    raw = [item async for item in store.stream("big", start=599_998)]
    assert base64.b64decode(raw[0]["base64"]) == "ü".encode()
    assert raw[-1] == {"base64": "", "offset": 600_000, "done": True}
    beyond = [item async for item in store.stream("big", start=600_000)]
    assert beyond == raw[-1:]


async def test_pages_of_a_list_follow_one_another(make: Make) -> None:
    store = make()
    paths = ["a-b", "a/b/c", "a/b/d", "a/z", "b", "ab/c"]
    for path in paths:
        await store.invoke("put", path=path, text=path)

    seen: list[str] = []
    after = ""
    while after is not None:
        page = await store.invoke("list", limit=2, after=after)
        seen += [one["path"] for one in page["objects"]]
        after = page["next"]
    assert seen == sorted(paths)
    below = await store.invoke("list", prefix="a/b")
    assert [one["path"] for one in below["objects"]] == ["a/b/c", "a/b/d"]
    assert below["objects"][0]["size"] == 5
    direct = await store.invoke("folders", prefix="a")
    assert (direct["folders"], [one["path"] for one in direct["objects"]]) == (["a/b"], ["a/z"])


async def test_objects_are_moved_copied_and_removed(make: Make) -> None:
    store = make()
    await store.invoke("put", path="a", text="1")
    await store.invoke("copy", source="a", target="b")
    await store.invoke("move", source="a", target="c")
    assert [one["path"] for one in (await store.invoke("list"))["objects"]] == ["b", "c"]
    with pytest.raises(CallError) as taken:
        await store.invoke("copy", source="b", target="c")
    assert taken.value.code == "conflict"
    await store.invoke("delete", path="b")
    with pytest.raises(InvalidRequest, match='there is no such object: "b" in '):
        await store.invoke("get", path="b")
    with pytest.raises(InvalidRequest, match="there is no such object"):
        await store.invoke("copy", source="nowhere", target="d")


async def test_one_that_is_there_or_was_changed_is_a_conflict() -> None:
    store = ObjectStoreProvider(url="memory:///", read_only=False, name="store")
    first = await store.invoke("put", path="x", text="1", create=True)
    for condition in ({"create": True}, {"if_match": '"other"'}):
        with pytest.raises(CallError) as told:
            await store.invoke("put", path="x", text="2", **condition)
        assert told.value.code == "conflict"
    await store.invoke("put", path="x", text="3", if_match=first["etag"])
    assert (await store.invoke("get", path="x"))["text"] == "3"


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("put", {"path": "x", "text": "1"}),
        ("delete", {"path": "x"}),
        ("copy", {"source": "x", "target": "y"}),
        ("move", {"source": "x", "target": "y"}),
        ("presign", {"path": "x", "write": True}),
    ],
)
async def test_nothing_is_written_unless_that_is_allowed(method: str, arguments: dict[str, Any]) -> None:
    store = ObjectStoreProvider(url="memory:///", name="store")
    with pytest.raises(InvalidRequest, match='"store" may only read: `read_only: false`'):
        await store.invoke(method, **arguments)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("file/below", "Not a directory"),
        ("folder", "Is a directory"),
        ("x" * 2000, "too long"),
        ("name#1", "not supported"),
    ],
)
async def test_what_a_directory_cannot_hold_is_the_callers_mistake(
    path: str, words: str, tmp_path: Path
) -> None:
    store = ObjectStoreProvider(url=f"file://{tmp_path}", read_only=False, name="store")
    for there in ("file", "folder/file"):
        await store.invoke("put", path=there, text="x")
    with pytest.raises(InvalidRequest, match=words) as told:
        await store.invoke("put", path=path, text="x")
    assert str(tmp_path) not in told.value.message
    assert len(told.value.message) < 500
    with pytest.raises(InvalidRequest, match="this kind of store cannot do that"):
        await store.invoke("put", path="file", text="x", if_match="1")


async def test_a_type_is_kept_where_the_store_has_such(make: Make) -> None:
    store = make()
    await store.invoke("put", path="x", text="{}", content_type="application/json")
    kept = None if store._url.startswith("file") else "application/json"
    assert (await store.invoke("head", path="x"))["content_type"] == kept
    assert (await store.invoke("get", path="x"))["content_type"] == kept


async def test_text_is_read_in_parts_and_what_is_none_is_refused(make: Make) -> None:
    store = make()
    text = "aüü€x"
    await store.invoke("put", path="text", text=text)
    read, start = "", 0
    while start is not None:
        part = await store.invoke("get", path="text", start=start, length=4)
        read += part["text"]
        start = part["next"]
    assert read == text
    with pytest.raises(InvalidRequest, match="ask for 4 at least"):
        await store.invoke("get", path="text", start=1, length=1)

    await store.invoke("put", path="bytes", base64="/w==")
    with pytest.raises(InvalidRequest, match='encoding "base64"'):
        await store.invoke("get", path="bytes")
    with pytest.raises(InvalidRequest, match='encoding "base64"'):
        async for _ in store.stream("bytes", encoding="text"):
            pass


async def test_a_reader_may_take_longer_than_the_store(make: Make) -> None:
    store = make(timeout=0.2)
    await store.invoke("put", path="big", text="x" * 1_000_000)
    read = 0
    async for item in store.stream("big"):
        read += len(base64.b64decode(item["base64"]))
        await asyncio.sleep(0.1)
    assert read == 1_000_000


async def test_folders_are_bounded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_provider, "MOST_LISTED", 2)
    store = make()
    for path in ("c/x", "a/x", "b/x", "d"):
        await store.invoke("put", path=path, text="x")
    found = await store.invoke("folders")
    assert (found["folders"], len(found["objects"]), found["truncated"]) == (["a", "b"], 1, True)


@asynccontextmanager
async def s3_that_says(status: int, code: str) -> AsyncIterator[ObjectStoreProvider]:
    """Every request is refused as S3 does it; with 0, none is answered."""

    async def refuse(request: web.Request) -> web.Response:
        if status == 0:
            await asyncio.Event().wait()
        text = f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>no: AKIAEXAMPLE</Message></Error>'
        return web.Response(status=status, text=text, content_type="application/xml")

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", refuse)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    options = {
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "hidden-secret",
        "endpoint": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "region": "us-east-1",
    }
    try:
        yield ObjectStoreProvider(url="s3://bucket", options=options, timeout=0.5, name="store")
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "code", "kind", "is_well"),
    [
        (403, "AccessDenied", "provider_error", True),
        (403, "SignatureDoesNotMatch", "provider_error", False),
        (404, "NoSuchBucket", "provider_error", False),
        (400, "AuthorizationHeaderMalformed", "provider_error", False),
        (429, "SlowDown", "rate_limited", False),
        (503, "SlowDown", "unavailable", False),
        (0, "", "unavailable", False),
    ],
)
async def test_a_refusal_is_told_by_its_class(
    status: int, code: str, kind: str, is_well: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud_provider, "HEALTH_WITHIN", 0.5)
    async with s3_that_says(status, code) as store:
        with pytest.raises(CallError) as told:
            await store.invoke("list", prefix="AKIAEXAMPLE")
        health = await store.get_health_status()
    assert told.value.code == kind, told.value.message
    assert code in told.value.message
    assert "AKIAEXAMPLE" not in told.value.message
    assert (health.get("status") != "degraded") == is_well


def test_a_store_without_keys_says_where_to_give_them() -> None:
    asked = "Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1ms"
    told = cloud_errors.told(GenericError(asked), "s3://bucket", asked, is_remote=True)
    assert told.message == "there are no keys for s3://bucket: give them in `options`, or with `env`"


OUTSIDE = ["../secret", "a/../../secret", "/../secret", "link", "folder/secret", "dangling"]


@pytest.mark.parametrize("path", OUTSIDE)
async def test_no_path_leads_out_of_a_directory(path: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hidden")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to("../secret")
    (root / "folder").symlink_to("..")
    (root / "dangling").symlink_to(tmp_path / "new")
    store = ObjectStoreProvider(url=f"file://{root}", read_only=False, name="store")

    for method, arguments in [
        ("get", {"path": path}),
        ("head", {"path": path}),
        ("put", {"path": path, "text": "x"}),
        ("delete", {"path": path}),
        ("copy", {"source": path, "target": "mine"}),
        ("move", {"source": "other", "target": path}),
    ]:
        with pytest.raises(InvalidRequest, match="leads out of"):
            await store.invoke(method, **arguments)
    with pytest.raises(InvalidRequest, match="leads out of"):
        async for _ in store.stream(path):
            pass
    assert (await store.invoke("list"))["objects"] == []
    assert await store.invoke("folders") == {"folders": [], "objects": [], "truncated": False}
    assert (tmp_path / "secret").read_text() == "hidden"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("path", ["a//b", "a/./b", "a\0b", "", "/"])
async def test_what_is_no_path_is_refused(path: str, make: Make) -> None:
    store = make()
    await store.invoke("put", path="file", text="x")
    for method, arguments in (("get", {"path": path}), ("put", {"path": path, "text": "x"})):
        with pytest.raises(InvalidRequest):
            await store.invoke(method, **arguments)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"url": "http://host/x"}, r"begins with one of s3://"),
        ({"url": "/srv"}, r"begins with one of s3://"),
        ({"url": "file:///nowhere/at/all"}, "there is no directory /nowhere/at/all"),
        ({"url": "memory:///", "options": {"region": "x"}}, "memory:// takes none"),
        ({"url": "s3://b", "options": {"nonsense": "a-secret-value"}}, "nonsense"),
        ({"url": "az://container"}, "Account must be specified"),
    ],
)
def test_a_config_that_cannot_be_is_told_without_its_secrets(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        ObjectStoreProvider(name="store", **config)
    assert "a-secret-value" not in str(told.value)


async def test_a_store_that_is_down_is_unavailable_and_degrades_the_health(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cloud_provider, "HEALTH_WITHIN", 0.5)
    options = {
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "hidden-secret",
        "endpoint": "http://127.0.0.1:9",
        "region": "us-east-1",
    }
    store = ObjectStoreProvider(url="s3://bucket", options=options, timeout=5, name="store")
    with pytest.raises(Unavailable, match=r"no store at http://127\.0\.0\.1:9: ") as told:
        await store.invoke("get", path="x")
    health = await store.get_health_status()
    assert (health["healthy"], health["status"]) == (True, "degraded")
    assert "hidden" not in told.value.message + health["reason"]
    signed = await store.invoke("presign", path="x y", expires=60)
    assert signed["url"].startswith("http://127.0.0.1:9/bucket/x%20y?")
    assert "hidden" not in signed["url"]
    for expires in (0, 700_000):
        with pytest.raises(InvalidRequest, match="expires is 1 to"):
            await store.invoke("presign", path="x", expires=expires)


async def test_names_that_no_object_can_have_are_not_listed(tmp_path: Path) -> None:
    for name in (b"bad\xff", b"new\nline", b"half written#1", b"good"):
        (tmp_path / os.fsdecode(name)).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "good")
    store = ObjectStoreProvider(name="store", url=f"file://{tmp_path}")

    assert [one["path"] for one in (await store.invoke("list"))["objects"]] == ["good"]
    direct = await store.invoke("folders")
    assert ([one["path"] for one in direct["objects"]], direct["folders"]) == (["good"], ["folder"])
    assert await store.invoke("folders", prefix="nowhere") == {
        "folders": [],
        "objects": [],
        "truncated": False,
    }


async def test_a_file_that_goes_while_it_is_listed_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = Path.stat

    def gone(path: Path, **how: Any) -> os.stat_result:
        if path.name == "goes":
            raise FileNotFoundError(path)
        return stat(path, **how)

    for name in ("goes", "stays"):
        (tmp_path / name).touch()
    store = ObjectStoreProvider(name="store", url=f"file://{tmp_path}")
    monkeypatch.setattr(Path, "stat", gone)
    assert [one["path"] for one in (await store.invoke("list"))["objects"]] == ["stays"]


async def test_what_has_no_url_cannot_be_signed(make: Make) -> None:
    with pytest.raises(InvalidRequest, match="has no URLs that could be signed"):
        await make().invoke("presign", path="x")


async def test_a_health_that_is_good_is_told(make: Make) -> None:
    assert await make().get_health_status() == {"healthy": True}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(ObjectStoreProvider, words=["a", "a/b", "link", "text"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(exist_ok=True)
    store = ObjectStoreProvider(url=f"file://{tmp_path}/a", read_only=False, name="store")
    await answered(store, call)
    assert os.listdir(tmp_path) == ["a"]

"""Both clients with a real daemon: what it knows, how errors look, and that to leave is to cancel."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gleitzeit_extensions.client import (
    Client,
    ClientError,
    Forbidden,
    InstanceLost,
    Model,
    NotFound,
    Provider,
    ProviderFailed,
    SyncClient,
    Unauthenticated,
)
from tests.house import House, eventually, house
from tests.sdk.daemons import PROBE, PROVIDERS, asynchronously, synchronously

Do = Callable[..., Any]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("client"), PROVIDERS, {"probe.py": PROBE}) as h:
        for name in PROVIDERS:
            h.until(name, "RUNNING")
        yield h


@pytest.fixture(autouse=True)
def _of_this_machine(
    daemon: House, monkeypatch: pytest.MonkeyPatch, _no_daemon_of_this_machine: None
) -> None:
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(daemon.socket))


@pytest.fixture(params=[synchronously, asynchronously], ids=["SyncClient", "Client"])
def do(request: pytest.FixtureRequest) -> Do:
    found: Do = request.param
    return found


def is_free(daemon: House) -> bool:
    return bool(daemon.view("probe")["in_flight"] == 0)


def is_busy(daemon: House) -> bool:
    return not is_free(daemon)


def test_a_call_needs_no_configuration(do: Do) -> None:
    assert do(lambda c: c.invoke("probe", "add", a=5, b=3)) == 8
    assert do(lambda c: c.invoke(Model("probe-1"), "add", {"a": 5}, b=3)) == 8
    assert do(lambda c: c.stream("probing", "count", items=4)) == [0, 1, 2, 3]


def over_tcp(daemon: House) -> str:
    urls: list[str] = daemon.client.get("/v1/status")["daemon"]["hub"]
    return next(url for url in urls if url.startswith("http"))


def test_a_call_from_elsewhere_needs_a_token(daemon: House, do: Do) -> None:
    url, token = over_tcp(daemon), daemon.socket.with_name("token").read_text().strip()

    assert do(lambda c: c.invoke("probe", "add", a=5, b=3), url, token=token) == 8
    assert do(lambda c: c.stream("probe", "count", items=2), url, token=token) == [0, 1]
    with pytest.raises(Unauthenticated, match="send a token"):
        do(lambda c: c.invoke("probe", "add", a=5, b=3), url)


def test_a_token_may_be_for_some_names_only(daemon: House, do: Do, request: pytest.FixtureRequest) -> None:
    url, scopes = over_tcp(daemon), ["invoke:probe-*"]
    made = {"name": f"models-{request.node.callspec.id.lower()}", "scopes": scopes}
    token = daemon.client.post("/v1/tokens", made)["token"]

    assert do(lambda c: c.invoke(Model("probe-1"), "add", a=5, b=3), url, token=token) == 8
    for call in ("invoke", "stream"):
        with pytest.raises(Forbidden):
            do(lambda c, call=call: getattr(c, call)(Provider("probe"), "add", a=5, b=3), url, token=token)


def test_what_there_is(do: Do) -> None:
    assert [one["name"] for one in do(lambda c: c.providers())] == ["probe", "frail"]
    assert do(lambda c: c.models()) == [
        {"name": "probe-1", "providers": ["frail", "probe"], "aliases": [], "pattern": False}
    ]
    assert do(lambda c: c.health("probe"))["healthy"] is True
    with pytest.raises(NotFound, match='"probe/a#2"'):
        do(lambda c: c.health("probe/a#2"))


def test_a_route_tells_who_would_have_the_call(do: Do) -> None:
    route = do(lambda c: c.with_options(session="ada").route(Provider("probe")))

    assert route["how"] == "provider"
    assert [one["instance"] for one in route["candidates"]] == ["probe"]


def test_a_failed_call_says_how_it_failed(do: Do) -> None:
    with pytest.raises(ProviderFailed, match="out of order"):
        do(lambda c: c.invoke("probe", "fail"))
    with pytest.raises(ProviderFailed, match="out of numbers"):
        do(lambda c: c.stream("probe", "fail_later"))
    with pytest.raises(NotFound, match='"prob"'):
        do(lambda c: c.invoke("prob", "add"))


def test_a_lost_instance_says_how_it_ended(daemon: House, do: Do) -> None:
    daemon.until("frail", "RUNNING")
    with pytest.raises(InstanceLost) as raised:
        do(lambda c: c.with_options(timeout=20).invoke(Provider("frail"), "die"))

    assert raised.value.exit_status == 7
    assert "these are my last words" in raised.value.stderr


def test_to_leave_the_loop_of_a_stream_cancels_it(daemon: House) -> None:
    with SyncClient() as client:
        for item in client.stream("probe", "count"):
            assert item == 0
            break
        left = time.monotonic()
        eventually(lambda: is_free(daemon))
        assert time.monotonic() - left < 1
        assert client.invoke("probe", "add", a=1, b=1) == 2


def test_to_leave_the_block_of_a_stream_cancels_it(daemon: House) -> None:
    with SyncClient() as client, client.stream("probe", "count") as items:
        assert next(items) == 0
        assert is_busy(daemon)
        with client.stream("probe", "count", items=1) as others:
            assert list(others) == [0]
        assert next(items) == 1

    eventually(lambda: is_free(daemon))


@pytest.mark.asyncio
async def test_to_leave_the_loop_of_an_asynchronous_stream_cancels_it(daemon: House) -> None:
    async with Client() as client:
        async for item in client.stream("probe", "count"):
            assert item == 0
            break
        await asyncio.to_thread(eventually, lambda: is_free(daemon))
        async with client.stream("probe", "count") as items:
            assert await anext(items) == 0
            await asyncio.to_thread(eventually, lambda: is_busy(daemon))
        await asyncio.to_thread(eventually, lambda: is_free(daemon))


@pytest.mark.asyncio
@pytest.mark.parametrize("is_near", [True, False], ids=["on this machine", "from elsewhere"])
@pytest.mark.parametrize("method", ["wait", "wait_first"])
async def test_to_cancel_the_task_cancels_the_call(daemon: House, is_near: bool, method: str) -> None:
    url, token = over_tcp(daemon), daemon.socket.with_name("token").read_text().strip()
    async with Client() if is_near else Client(url, token=token) as client:
        call = client.invoke("probe", method) if method == "wait" else anext(client.stream("probe", method))
        task = asyncio.ensure_future(call)
        await asyncio.to_thread(eventually, lambda: is_busy(daemon))
        task.cancel()
        await asyncio.to_thread(eventually, lambda: is_free(daemon))
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.mark.asyncio
async def test_any_number_of_tasks_may_share_a_client() -> None:
    async with Client() as client:
        calls = (client.invoke("probe", "add", a=number, b=0) for number in range(100))

        assert await asyncio.gather(*calls) == list(range(100))


def test_any_number_of_threads_may_share_a_client() -> None:
    with SyncClient() as client, ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda number: client.invoke("probe", "add", a=number, b=0), range(200))

        assert list(answers) == list(range(200))


def test_a_client_that_was_closed_says_so() -> None:
    async def close_and_call() -> None:
        client = Client()
        await client.close()
        await client.models()

    with pytest.raises(ClientError, match="has been closed"):
        asyncio.run(close_and_call())

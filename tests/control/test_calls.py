"""Calls over HTTP: whom they name, what they answer, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control import bodies
from gleitzeitd.control.jsonlines import encoded, told
from gleitzeitd.hub.access.refusals import refused
from tests.control.asking import Answer, ask, connected
from tests.house import House, eventually, house
from tests.sdk.daemons import PROBE, PROVIDERS

Ask = Callable[..., Answer]
MOST_HELD = 150
"""Items of 16 KiB that may be on their way to a reader that does not read: two windows, and what the system's
and aiohttp's buffers hold."""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("calls"), PROVIDERS, {"probe.py": PROBE}) as h:
        for name in PROVIDERS:
            h.until(name, "RUNNING")
        yield h


@pytest.fixture
def post(daemon: House) -> Ask:
    return partial(ask, str(daemon.socket), "POST")


@pytest.mark.parametrize(
    "named",
    [
        {"provider": "probe"},
        {"target": "probe"},
        {"model": "probe-1"},
        {"target": "probe-1"},
        {"capability": "probing"},
        {"target": "probing"},
    ],
)
def test_a_call_names_whom_it_is_for_in_its_body(post: Ask, named: dict[str, str]) -> None:
    answer = post("/v1/invoke", {**named, "method": "add", "args": {"a": 2, "b": 3}})

    assert (answer.status, answer.json["result"]) == (200, 5)


@pytest.mark.parametrize("verb", ["invoke", "stream"])
@pytest.mark.parametrize("named", [{}, {"provider": "probe", "model": "probe-1"}, {"target": 3}])
def test_a_call_of_nobody_or_of_two_is_refused(post: Ask, verb: str, named: dict[str, Any]) -> None:
    assert post(f"/v1/{verb}", {**named, "method": "add"}).error("invalid_request")


def test_a_stream_names_whom_it_is_for_in_its_body(post: Ask) -> None:
    *items, end = post("/v1/stream", {"model": "probe-1", "method": "count", "args": {"items": 3}}).lines

    assert items == [{"item": 0}, {"item": 1}, {"item": 2}]
    assert set(end) == {"end"}


def test_an_error_before_the_first_item_has_the_status_of_its_code(post: Ask) -> None:
    answer = post("/v1/stream", {"target": "probe", "method": "fail_at_once"})

    assert "out of order" in answer.error("provider_error")


def test_an_error_after_an_item_is_a_line(post: Ask) -> None:
    *items, end = post("/v1/stream", {"target": "probe", "method": "fail_later"}).lines

    assert items == [{"item": 1}, {"item": 2}]
    assert end["error"]["code"] == "provider_error"
    assert "out of numbers" in end["error"]["message"]


def test_a_stream_whose_provider_dies_ends_with_an_error_line(daemon: House, post: Ask) -> None:
    with streaming(daemon, "frail", {"size": 10}) as stream:
        until_item(stream)
        post("/v1/invoke", {"target": "frail", "method": "die"})
        rest = b"".join(iter(lambda: stream.recv(65536), b""))

    *_, last, end, _, _ = rest.split(b"\r\n")
    assert end == b"0"
    assert json.loads(last)["error"]["code"] == "instance_lost"


@pytest.mark.parametrize(
    ("header", "key"), [("order-17", None), ("order-17", "order-17"), (None, "order-17")]
)
def test_a_key_stands_in_the_header_or_in_the_body(post: Ask, header: str | None, key: str | None) -> None:
    body = {"target": "probe", "method": "once", **({"key": key} if key else {})}
    headers = {"Idempotency-Key": header} if header else {}

    first = post("/v1/invoke", body, headers).json["result"]

    assert post("/v1/invoke", body, headers).json["result"] == first
    assert post("/v1/invoke", {**body, "key": "another"}).json["result"] == first + 1


def test_two_keys_for_one_call_are_refused(post: Ask) -> None:
    body = {"target": "probe", "method": "add", "key": "a"}

    assert "differ" in post("/v1/invoke", body, {"Idempotency-Key": "b"}).error("invalid_request")


def streaming(daemon: House, provider: str, args: dict[str, Any]) -> socket.socket:
    """A connection over which numbers without an end were asked for."""
    return asking(daemon, "stream", provider, "count", args)


def asking(daemon: House, verb: str, provider: str, method: str, args: dict[str, Any]) -> socket.socket:
    """A connection over which that was asked for."""
    body = json.dumps({"target": provider, "method": method, "args": args}).encode()
    stream = connected(str(daemon.socket))
    head = f"POST /v1/{verb} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    stream.sendall(head.encode() + body)
    return stream


def until_item(stream: socket.socket) -> None:
    """Read until the first item begins."""
    came = b""
    while b'"item"' not in came:
        came += (piece := stream.recv(100))
        assert piece


def settled(made: Callable[[], int]) -> int:
    """What is made, once no more is."""
    last = -1
    while (now := made()) != last:
        last = now
        time.sleep(0.2)
    return last


def test_a_reader_that_does_not_read_stops_the_provider(daemon: House, post: Ask) -> None:
    def made() -> int:
        return int(post("/v1/invoke", {"target": "probe", "method": "made_so_far"}).json["result"])

    with streaming(daemon, "probe", {"size": 16 * 1024}) as stream:
        until_item(stream)
        held = settled(made)
        assert held < MOST_HELD
        while made() == held:
            assert stream.recv(65536)

    eventually(lambda: daemon.view("probe")["in_flight"] == 0, "hanging up cancels a stream that is held up")


@pytest.mark.parametrize(
    ("verb", "method"), [("invoke", "wait"), ("stream", "wait_first"), ("stream", "count")]
)
def test_to_hang_up_cancels_at_once(daemon: House, verb: str, method: str) -> None:
    with asking(daemon, verb, "probe", method, {}) as stream:
        stream.settimeout(0.1)
        with contextlib.suppress(TimeoutError):
            assert b" 200 " in stream.recv(20)
        assert daemon.view("probe")["in_flight"] == 1
        left = time.monotonic()

    eventually(lambda: daemon.view("probe")["in_flight"] == 0)
    # It is a matter of milliseconds; but a loaded machine may not look before.
    assert time.monotonic() - left < 1


@pytest.mark.parametrize(
    ("seconds", "header"),
    [
        (0, "0"),
        (0.2, "1"),
        (3, "3"),
        (7.01, "8"),
        (-1, None),
        ("5", None),
        (float("inf"), None),
        (None, None),
    ],
)
def test_an_error_that_says_when_to_try_again_says_it_in_a_header_too(
    seconds: object, header: str | None
) -> None:
    answer = refused(CallError("rate_limited", "slowly", {"retry_after": seconds}))

    assert isinstance(answer, web.Response)
    assert (answer.status, answer.headers.get("Retry-After")) == (429, header)


@pytest.mark.anyio
async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent() -> bytes:
        await asyncio.sleep(1000)
        return b""

    monkeypatch.setattr(bodies, "BODY_TIME", 0.01)
    request = make_mocked_request("POST", "/v1/invoke")
    monkeypatch.setattr(web.Request, "read", lambda _: silent())
    with pytest.raises(CallError, match=r"has not come within 0\.01 s") as refusal:
        await bodies.body_of(request)
    assert refusal.value.code == "deadline_exceeded"


@pytest.mark.parametrize("number", ["1e999", "-Infinity", "NaN"])
def test_what_is_no_number_of_json_never_gets_to_a_provider(post: Ask, number: str) -> None:
    call = b'{"target": "nobody", "method": "say", "args": {"word": %s}}' % number.encode()
    assert "is no number of JSON" in post("/v1/invoke", call).error("invalid_request")


def test_what_a_provider_tells_of_itself_is_json_whatever_it_is() -> None:
    strange = told({"load": float("inf"), "list": [1, {"rate": float("nan")}], "fine": 0.5})
    assert isinstance(strange.body, bytes)
    assert json.loads(strange.body) == {"load": None, "list": [1, {"rate": None}], "fine": 0.5}

    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(CallError, match="nested too deeply"):
        told({"deep": deep})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1}])
def test_what_is_not_json_is_never_an_answer(value: object) -> None:
    with pytest.raises(CallError, match="what is not JSON"):
        encoded({"result": value})

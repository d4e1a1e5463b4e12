"""What a provider may rely on when it asks a server by HTTP, against one of ours on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from aiohttp import web

from gleitzeit_extensions import CallError, ContextTooLong, InvalidRequest, RateLimited, Unavailable
from gleitzeit_extensions.current import CURRENT, CurrentCall
from providers import upstream
from providers.upstream import Upstream

pytestmark = pytest.mark.anyio

KEY = "sk-0123456789"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def asking(handler: Handler, user: str = "") -> AsyncIterator[Upstream]:
    app = web.Application()
    app.router.add_route("*", "/v1/{rest:.*}", handler)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://{user}127.0.0.1:{runner.addresses[0][1]}/v1/"
    server = Upstream("Shop", url, {"X-Key": f"Bearer {KEY}"})
    try:
        yield server
    finally:
        await server.close()
        await runner.cleanup()


def answering(status: int = 200, **more: Any) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, **more)

    return answer


def sending(parts: Iterable[bytes]) -> Handler:
    """Each of them by itself, as far as TCP lets it."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in parts:
            await response.write(part)
            await asyncio.sleep(0.001)
        return response

    return answer


async def hangs(request: web.Request) -> web.Response:
    await asyncio.sleep(3600)
    return web.Response()


@contextmanager
def call_with(seconds: float) -> Iterator[None]:
    token = CURRENT.set(CurrentCall(id="c", method="m", ends_at=time.monotonic() + seconds))
    try:
        yield
    finally:
        CURRENT.reset(token)


async def test_a_question_carries_its_headers_and_its_answer_is_read() -> None:
    async def echo(request: web.Request) -> web.Response:
        key = request.headers["X-Key"].removeprefix("Bearer ")
        return web.json_response([request.method, request.path, key, await request.text()])

    async with asking(echo) as server:
        assert await server.json("POST", "/ask", {"a": 1}) == ["POST", "/v1/ask", KEY, '{"a": 1}']
        await server.close()
        assert await server.json("GET", "/again") == ["GET", "/v1/again", KEY, ""]


@pytest.mark.parametrize(
    ("status", "text", "kind", "code"),
    [
        (401, "who?", CallError, "provider_error"),
        (403, "no", CallError, "provider_error"),
        (408, "slow", Unavailable, "unavailable"),
        (425, "early", Unavailable, "unavailable"),
        (429, "often", RateLimited, "rate_limited"),
        (500, "oh", Unavailable, "unavailable"),
        (503, "later", Unavailable, "unavailable"),
        (413, "large", ContextTooLong, "context_too_long"),
        (400, "exceeds the Context Window", ContextTooLong, "context_too_long"),
        (400, "exceeds the available context size (8192 tokens)", ContextTooLong, "context_too_long"),
        (400, "wrong", InvalidRequest, "invalid_request"),
        (422, "wrong", InvalidRequest, "invalid_request"),
        (304, "", CallError, "provider_error"),
    ],
)
async def test_a_refusal_has_the_class_that_says_who_can_act(
    status: int, text: str, kind: type[CallError], code: str
) -> None:
    async with asking(answering(status, text=text)) as server:
        with pytest.raises(kind, match=rf"Shop .*answered {status}") as told:
            await server.json("GET", "/x")
    assert (type(told.value), told.value.code) == (kind, code)


@pytest.mark.parametrize(
    ("after", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-1", None), ("nan", None), ("inf", None), ("Wed, 21 Oct 2026", None)],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_when_to_ask_again_is_told_in_seconds(status: int, after: str, seconds: float | None) -> None:
    async with asking(answering(status, headers={"Retry-After": after})) as server:
        with pytest.raises(CallError) as told:
            await server.json("GET", "/x")
    assert told.value.detail == ({} if seconds is None else {"retry_after": seconds})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "no such thing"}}', "no such thing"),
        ('{"message": "no such thing"}', "no such thing"),
        ('{"detail": "no such thing"}', "no such thing"),
        ('{"error": {"code": 5}}', '{"error": {"code": 5}}'),
        ('{"error": null}', '{"error": null}'),
        (" no such thing\n", "no such thing"),
        ("[" * 9000, "[" * 2000),
        ("", "Bad Request"),
    ],
)
async def test_a_refusal_is_told_in_the_words_of_the_server(body: str, said: str) -> None:
    async with asking(answering(400, text=body)) as server:
        with pytest.raises(InvalidRequest) as told:
            await server.json("GET", "/x")
    assert told.value.message == f"Shop answered 400: {said}"


async def test_a_refusal_without_an_end_is_read_no_further_than_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=400)
        await response.prepare(request)
        while True:
            await response.write(b"no " * 1000)

    monkeypatch.setattr(upstream, "MOST_OF_A_REFUSAL", 10_000)
    async with asking(endless) as server, asyncio.timeout(20):
        with pytest.raises(InvalidRequest, match="400: no no"):
            await server.json("GET", "/x")


async def test_a_redirect_is_not_followed_since_the_key_would_go_with_it() -> None:
    asked: list[str] = []

    async def moved(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/v1/elsewhere"})

    async with asking(moved) as server:
        with pytest.raises(CallError, match="is its URL right"):
            await server.json("GET", "/x")
    assert asked == ["/v1/x"]


async def test_a_key_that_the_server_repeats_is_not_told() -> None:
    said = f"Bearer {KEY} of {KEY} with pass-word is not known"
    for handler in (answering(401, text=said), answering(500, text=said), answering(text=f"<{said}")):
        async with asking(handler, "me:pass-word@") as server:
            with pytest.raises(CallError) as told:
                await server.json("GET", "/x")
        assert "****" in told.value.message
        assert KEY not in told.value.message
        assert "pass-word" not in told.value.message


@pytest.mark.parametrize("told_before", range(30, 90, 6))
async def test_a_key_is_not_told_by_half_where_a_text_is_cut(told_before: int) -> None:
    for handler in (
        answering(400, text="." * (1930 + told_before) + KEY),
        answering(text="." * told_before + KEY),
    ):
        async with asking(handler) as server:
            with pytest.raises(CallError) as told:
                await server.json("GET", "/x")
        assert KEY[:6] not in told.value.message


async def test_a_server_that_is_not_there_is_unavailable_without_its_password() -> None:
    server = Upstream("Shop", "http://me:pass-word@127.0.0.1:9")
    with pytest.raises(Unavailable, match=r"no Shop at http://127\.0\.0\.1:9: "):
        await server.json("GET", "/x")
    await server.close()


async def test_a_question_ends_with_its_call_or_when_it_was_told_to() -> None:
    async with asking(hangs) as server, asyncio.timeout(20):
        with call_with(0.1), pytest.raises(Unavailable, match="did not answer in time"):
            await server.json("GET", "/x")
        with call_with(3600), pytest.raises(Unavailable, match="did not answer in time"):
            await server.json("GET", "/x", within=0.1)


async def test_who_leaves_an_answer_ends_the_work_of_the_server() -> None:
    left = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"more\n")
                await asyncio.sleep(0.001)
        finally:
            left.set()

    async with asking(endless) as server, asyncio.timeout(20):
        async with server.ask("GET", "/x") as answer:
            assert await anext(aiter(server.lines(answer))) == b"more"
        await left.wait()


async def test_an_answer_that_is_too_large_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "LARGEST_ANSWER", 10)
    async with asking(answering(text='"12345678"')) as server:
        assert await server.json("GET", "/x") == "12345678"
    async with asking(answering(text='"123456789"')) as server:
        with pytest.raises(CallError, match="more than 10 bytes") as told:
            await server.json("GET", "/x")
    assert told.value.code == "provider_error"


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000])
async def test_what_is_no_json_is_told_by_its_beginning(body: str) -> None:
    async with asking(answering(text=body)) as server:
        with pytest.raises(CallError, match="is not JSON") as told:
            await server.json("GET", "/x")
    assert told.value.code == "provider_error"
    assert len(told.value.message) < 200


async def lines_of(parts: Iterable[bytes]) -> list[bytes]:
    async with asking(sending(parts)) as server, server.ask("GET", "/x") as answer:
        return [line async for line in server.lines(answer)]


async def test_lines_are_whole_however_they_come() -> None:
    whole = [b" one ", b"", b"t\xc3\xbc two", b"last"]
    text = b" one \r\n\nt\xc3\xbc two\nlast"
    assert await lines_of([text]) == whole
    assert await lines_of(bytes([byte]) for byte in text) == whole
    assert await lines_of([text, b"\n"]) == whole


async def test_a_line_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "LONGEST_LINE", 100)
    assert await lines_of([b"x" * 90 + b"\n"] * 3) == [b"x" * 90] * 3
    with pytest.raises(CallError, match="a line of more than 100 bytes"):
        await lines_of([b"x" * 101])


async def events_of(text: bytes) -> list[bytes]:
    async with asking(sending([text])) as server, server.ask("GET", "/x") as answer:
        return [event async for event in server.events(answer)]


async def test_events_are_their_data_alone() -> None:
    text = b": hello\nevent: a\nid: 1\ndata: one\ndata:two\n\n\n: ping\n\ndata:  three\r\n\r\ndata: last"
    assert await events_of(text) == [b"one\ntwo", b" three", b"last"]


async def test_an_event_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "LONGEST_LINE", 100)
    assert await events_of((b"data: " + b"x" * 50 + b"\n\n") * 3) == [b"x" * 50] * 3
    for text in (b"data: " + b"x" * 40 + b"\n", b"data:\n"):
        with pytest.raises(CallError, match="an event of more than 100 bytes"):
            await events_of(text * 30)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:8080", "begins with http:// or https://"),
        ("ftp://localhost", "begins with http:// or https://"),
        ("http://", "no plain URL"),
        ("http://localhost?a=b", "no plain URL"),
        ("http://localhost/a b", "no plain URL"),
        ("http://localhost:0", "no plain URL"),
        ("http://localhost:99999", "no plain URL"),
        ("http://[::1", "no plain URL"),
    ],
)
def test_a_url_that_is_none_is_told_at_the_start(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Upstream("Shop", url)


def test_a_header_of_two_lines_is_told_at_the_start_and_not_repeated() -> None:
    with pytest.raises(ValueError, match='the header "X-Key" of Shop is more than one line') as told:
        Upstream("Shop", "http://localhost", {"X-Key": f"{KEY}\r\nHost: other"})
    assert KEY not in str(told.value)


def test_who_asks_is_said_in_one_place() -> None:
    with pytest.raises(ValueError, match="not both") as told:
        Upstream("Shop", "http://me:pass-word@localhost", {"authorization": KEY})
    assert not {KEY, "pass-word"} & set(str(told.value).split())


def test_nothing_is_opened_before_the_first_question() -> None:
    """Outside of any loop, as a constructor may be."""
    assert Upstream("Shop", "http://[::1]:8080/v1/").base_url == "http://[::1]:8080/v1"

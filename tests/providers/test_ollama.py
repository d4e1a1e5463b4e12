"""Ollama's API as its provider speaks it, against a server of ours on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from gleitzeit_extensions import CallError, InvalidRequest, RateLimited, Unavailable
from gleitzeit_extensions.testing import serving
from providers import upstream
from providers.ollama_provider import OllamaProvider

pytestmark = pytest.mark.anyio


class FakeOllama:
    """Knows the model `small`; a model with another name says how it fails."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.left = asyncio.Event()

    async def tags(self, request: web.Request) -> web.Response:
        return web.json_response({"models": [{"name": "small", "model": "small"}]})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        match body["model"]:
            case "none":
                return web.json_response({"error": 'model "none" not found'}, status=404)
            case "busy":
                return web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "7"})
            case "garbage":
                return web.Response(body=b"\xff<html>\n")
            case "list":
                return web.json_response([1])
        if request.path == "/api/embed":
            return web.json_response({"model": "small", "embeddings": [[0.5]], "prompt_eval_count": 1})
        return await self._said(request, body)

    async def _said(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        end = {
            "model": body["model"],
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "eval_count": 2,
        }
        if not body.get("stream", True):
            return web.json_response({**end, **_word(request, "Hi all")})
        response = web.StreamResponse()
        await response.prepare(request)
        if body["model"] == "huge":
            await response.write(b"x" * 200_000)
        await response.write(_line({"model": body["model"], "done": False, **_word(request, "Hi ")}))
        match body["model"]:
            case "dies":
                assert request.transport
                request.transport.abort()
                return response
            case "slow":
                try:
                    while True:
                        await asyncio.sleep(0.01)
                        await response.write(_line({"model": "slow", "done": False, **_word(request, ".")}))
                finally:
                    self.left.set()
            case "fails":
                await response.write(_line({"error": "out of memory"}))
            case "ends":
                pass
            case _:
                await response.write(_line({**end, **_word(request, "all")}))
        return response

    async def pull(self, request: web.Request) -> web.Response:
        lines: list[dict[str, Any]] = [
            {"status": "pulling", "digest": "d", "total": 9, "completed": 4},
            {"status": "success"},
        ]
        return web.Response(body=b"".join([_line(line) for line in lines]))


def _word(request: web.Request, text: str) -> dict[str, Any]:
    if request.path == "/api/chat":
        return {"message": {"role": "assistant", "content": text, "thinking": "hm"}}
    return {"response": text}


def _line(item: dict[str, Any]) -> bytes:
    return json.dumps(item).encode() + b"\n"


@asynccontextmanager
async def ollama() -> AsyncIterator[tuple[FakeOllama, OllamaProvider]]:
    fake, app = FakeOllama(), web.Application()
    app.router.add_get("/api/tags", fake.tags)
    app.router.add_get("/api/ps", fake.tags)
    app.router.add_post("/api/pull", fake.pull)
    for path in ("generate", "chat", "embed", "show"):
        app.router.add_post(f"/api/{path}", fake.answer)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider = OllamaProvider(f"http://127.0.0.1:{runner.addresses[0][1]}", "small", "5m", name="ollama")
    try:
        yield fake, provider
    finally:
        await provider.on_disconnected()
        await runner.cleanup()


async def test_a_prompt_is_answered_with_what_was_asked_passed_on() -> None:
    async with ollama() as (fake, provider):
        answer = await provider.invoke("generate", prompt="Hi", max_tokens=5, options={"seed": 1})

    usage = {"input_tokens": 3, "output_tokens": 2}
    assert answer == {"text": "Hi all", "model": "small", "usage": usage, "finish_reason": "stop"}
    wanted = {"model": "small", "options": {"seed": 1, "num_predict": 5}, "keep_alive": "5m", "prompt": "Hi"}
    assert fake.asked == [{**wanted, "stream": False}]


async def test_chat_embed_pull_and_discovery() -> None:
    async with ollama() as (fake, provider):
        tools = [{"type": "function"}]
        said = await provider.invoke("chat", messages=[{"role": "user", "content": "Hi"}], tools=tools)
        vectors = await provider.invoke("embed", input=["a"])
        progress = [item async for item in provider.pull("small")]
        health = await provider.get_health_status()

    assert said["message"] == {"role": "assistant", "content": "Hi all", "thinking": "hm"}
    assert fake.asked[0]["tools"] == tools
    assert vectors["embeddings"] == [[0.5]]
    assert [item["done"] for item in progress] == [False, True]
    assert provider.models == ["small"]
    assert health == {"healthy": True, "metrics": {"models": 1}}


@pytest.mark.parametrize("args", [{"prompt": "Hi"}, {"messages": [{"role": "user", "content": "Hi"}]}])
async def test_a_stream_ends_with_its_usage(args: dict[str, Any]) -> None:
    async with ollama() as (_, provider):
        items = [item async for item in provider.stream(**args)]

    assert "".join(item["token"] for item in items) == "Hi all"
    assert [item["done"] for item in items] == [False, True]
    assert items[-1]["usage"] == {"input_tokens": 3, "output_tokens": 2}


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("none", InvalidRequest, '`pull` with model "none" fetches it'),
        ("busy", RateLimited, "slow down"),
        ("garbage", CallError, "not JSON"),
        ("list", CallError, "no object"),
    ],
)
async def test_a_refusal_is_told_by_its_class(model: str, kind: type[CallError], words: str) -> None:
    async with ollama() as (_, provider):
        with pytest.raises(kind, match=words) as told:
            await provider.invoke("generate", prompt="Hi", model=model)

    assert told.value.detail == ({"retry_after": 7.0} if model == "busy" else {})


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("dies", Unavailable, "no Ollama at"),
        ("fails", Unavailable, "out of memory"),
        ("ends", Unavailable, "before it was done"),
        ("huge", CallError, "a line of more than"),
    ],
)
async def test_a_stream_that_breaks_is_never_taken_for_a_whole_one(
    model: str, kind: type[CallError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "LONGEST_LINE", 100_000)
    async with ollama() as (_, provider):
        with pytest.raises(kind, match=words):
            async for _ in provider.stream("Hi", model=model):
                pass


async def test_a_caller_that_leaves_ends_the_work_of_the_server() -> None:
    async with ollama() as (fake, provider), serving(provider) as client:
        async with client.stream("ollama", "stream", prompt="Hi", model="slow") as items:
            await anext(aiter(items))
        await asyncio.wait_for(fake.left.wait(), 5)


async def test_a_server_that_is_down_is_unavailable_and_degrades_the_health() -> None:
    provider = OllamaProvider("http://127.0.0.1:9", "small", name="ollama")

    with pytest.raises(Unavailable, match="no Ollama at http://127"):
        await provider.invoke("generate", prompt="Hi")
    assert (await provider.get_health_status())["status"] == "degraded"
    await provider.on_disconnected()


def test_a_url_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="write it like"):
        OllamaProvider("localhost", name="ollama")

"""Ollama's API as its provider speaks it, against a server of ours on loopback."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.testing import serving
from providers import ollama_provider, upstream
from providers.ollama_provider import OllamaProvider
from tests.providers.fuzz import Call, answered, calls
from tests.providers.ollama_server import FakeOllama

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def ollama(
    default_model: str = "small", user: str = ""
) -> AsyncIterator[tuple[FakeOllama, OllamaProvider]]:
    fake = FakeOllama()
    runner = web.AppRunner(fake.app(), handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider = OllamaProvider(
        url=f"http://{user}127.0.0.1:{runner.addresses[0][1]}",
        default_model=default_model,
        keep_alive="5m",
        name="ollama",
    )
    try:
        yield fake, provider
    finally:
        await provider.on_disconnected()
        await runner.cleanup()


async def test_a_prompt_is_answered_with_what_was_asked_passed_on() -> None:
    async with ollama() as (fake, provider):
        answer = await provider.invoke("generate", prompt="Hi", max_tokens=5, options={"seed": 1})
        how = {"system": "Be brief", "think": False, "format": "json"}
        await provider.invoke("generate", prompt="Hi", **how)

    usage = {"input_tokens": 3, "output_tokens": 2}
    assert answer == {"text": "Hi all", "model": "small", "usage": usage, "finish_reason": "stop"}
    wanted = {"model": "small", "options": {"seed": 1, "num_predict": 5}, "keep_alive": "5m", "prompt": "Hi"}
    assert fake.asked[0] == {**wanted, "stream": False}
    assert fake.asked[1].items() >= how.items()


async def test_chat_embed_pull_and_discovery() -> None:
    async with ollama() as (_, provider):
        said = await provider.invoke("chat", messages=[{"role": "user", "content": "Hi"}])
        vectors = await provider.invoke("embed", input=["a"])
        progress = [item async for item in provider.pull("small")]
        health = await provider.get_health_status()

    assert said["message"] == {"role": "assistant", "content": "Hi all", "thinking": "hm"}
    assert vectors["embeddings"] == [[0.5]]
    assert [item["done"] for item in progress] == [False, False, True]
    assert progress[1] == {"status": "pulling d", "done": False, "digest": "d", "total": 9, "completed": 4}
    assert provider.models == ["small"]
    assert health == {"healthy": True, "metrics": {"models": 1}}


@pytest.mark.parametrize("args", [{"prompt": "Hi"}, {"messages": [{"role": "user", "content": "Hi"}]}])
async def test_a_stream_ends_with_its_usage(args: dict[str, Any]) -> None:
    async with ollama() as (_, provider):
        items = [item async for item in provider.stream(**args)]

    assert "".join(item["token"] for item in items) == "Hi all"
    assert [item["done"] for item in items] == [False, True]
    assert items[-1]["usage"] == {"input_tokens": 3, "output_tokens": 2}
    assert items[-1]["finish_reason"] == "stop"


ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


async def test_a_conversation_with_tools_has_the_shape_of_the_other_providers() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, picture], "images": ["BBBB"]},
    ]
    async with ollama() as (fake, provider):
        said = await provider.invoke("chat", messages=messages, tools=[ADD])
        call, other = said["message"]["tool_calls"]
        result = {"role": "tool", "tool_call_id": call["id"], "content": "3"}
        await provider.invoke("chat", messages=[*messages, said["message"], result])

    assert said["finish_reason"] == "tool_calls"
    assert other["id"] == "call_own"
    assert (call["type"], call["function"]) == ("function", {"name": "add", "arguments": '{"a": 1}'})
    first, second = fake.asked
    assert first["tools"] == [ADD]
    assert first["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi", "images": ["BBBB", "AAAA"]},
    ]
    assert second["messages"][2]["tool_calls"][0]["function"]["arguments"] == {"a": 1}
    assert second["messages"][3] == {**result, "tool_name": "add"}


async def test_a_stream_tells_the_tools_that_are_asked_for_at_its_end() -> None:
    async with ollama() as (fake, provider):
        items = [item async for item in provider.stream("Hi", system="Be brief", tools=[ADD], format="json")]

    assert [call["function"]["arguments"] for call in items[-1]["tool_calls"]] == ['{"a": 1}'] * 2
    assert all(item["token"] or item["thinking"] for item in items)
    assert items[-1]["finish_reason"] == "tool_calls"
    assert not any("tool_calls" in item for item in items[:-1])
    assert fake.asked[0]["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hi"},
    ]
    assert fake.asked[0]["format"] == "json"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            {"content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
            "fetches no pictures",
        ),
        ({"tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}, 'of the call of "f" are no JSON'),
    ],
)
async def test_what_ollama_cannot_be_asked_is_told(message: dict[str, Any], words: str) -> None:
    async with ollama() as (_, provider):
        with pytest.raises(InvalidRequest, match=words):
            await provider.invoke("chat", messages=[{"role": "user", **message}])


async def test_a_url_with_a_path_too_many_is_not_taken_for_a_model_that_is_missing() -> None:
    async with ollama() as (_, provider):
        with pytest.raises(CallError, match="is its url right") as told:
            await provider.invoke("generate", prompt="Hi", model="no page")
    assert told.value.code == "provider_error"


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("none", "not_found.model", '`pull` with model "none" fetches it'),
        ("busy", "rate_limited", "slow down"),
        ("garbage", "provider_error", "not JSON"),
        ("list", "provider_error", "no object"),
        ("empty", "provider_error", 'without "response"'),
        ("long", "context_too_long", "exceeds the context length"),
        ("secret", "provider_error", "is its key right"),
        ("moved", "provider_error", "is its URL right"),
    ],
)
async def test_a_refusal_is_told_by_its_class(model: str, code: str, words: str) -> None:
    async with ollama() as (_, provider):
        with pytest.raises(CallError, match=words) as told:
            await provider.invoke("generate", prompt="Hi", model=model)

    assert told.value.code == code
    assert told.value.detail == ({"retry_after": 7.0} if model == "busy" else {})


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("dies", Unavailable, "no Ollama at"),
        ("fails", Unavailable, "out of memory"),
        ("ends", Unavailable, "before it was done"),
        ("list", CallError, "a line that is no object"),
        ("empty", CallError, 'without "message"'),
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


async def test_a_pull_that_ends_too_soon_says_so() -> None:
    async with ollama() as (_, provider):
        with pytest.raises(Unavailable, match="pull again, it goes on"):
            await _all(provider.pull("half"))


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("new", "provider_error", "412: .* requires a newer version"),
        ("full", "provider_error", "no space left"),
        ("private", "provider_error", "unauthorized"),
        ("licensed", "provider_error", "denied"),
        ("often", "unavailable", "too many requests"),
        ("lost", "unavailable", "no such host"),
        ("secret", "unavailable", r"max retries exceeded: \*{8}$"),
        ("other", "not_found.model", 'no model "other" to be fetched'),
    ],
)
async def test_a_pull_that_fails_says_whether_to_pull_again(model: str, code: str, words: str) -> None:
    async with ollama(user="me:pass-word@") as (_, provider):
        with pytest.raises(CallError, match=words) as told:
            await _all(provider.pull(model))
    assert told.value.code == code


async def test_a_call_that_names_no_model_has_the_first_one_or_is_refused() -> None:
    async with ollama(default_model="") as (fake, provider):
        with pytest.raises(InvalidRequest, match="say which model"):
            await provider.invoke("generate", prompt="Hi")
        provider.models = ["found", "other"]
        await provider.invoke("generate", prompt="Hi")
    assert [body["model"] for body in fake.asked] == ["found"]


async def test_a_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ollama_provider, "HEALTH_WITHIN", 0.1)
    async with ollama() as (fake, provider):
        fake.hangs = True
        async with asyncio.timeout(10):
            health = await provider.get_health_status()
    assert "did not answer in time" in health["reason"]


async def test_a_caller_that_leaves_ends_the_work_of_the_server() -> None:
    async with ollama() as (fake, provider), serving(provider) as client:
        async with client.stream("ollama", "stream", prompt="Hi", model="slow") as items:
            await anext(aiter(items))
        await asyncio.wait_for(fake.left.wait(), 5)


async def test_a_server_that_is_down_is_unavailable_and_degrades_the_health() -> None:
    provider = OllamaProvider(url="http://127.0.0.1:9", default_model="small", name="ollama")

    with pytest.raises(Unavailable, match="no Ollama at http://127"):
        await provider.invoke("generate", prompt="Hi")
    assert (await provider.get_health_status())["status"] == "degraded"
    await provider.on_disconnected()


def test_a_url_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="write it like"):
        OllamaProvider(url="localhost", name="ollama")


async def test_what_a_server_has_and_runs_is_told() -> None:
    async with ollama() as (_, provider):
        shown = await provider.invoke("show", model="small")
        running = await provider.invoke("running")
        for wanted in (provider.invoke("show", model="other"), _all(provider.pull("other"))):
            with pytest.raises(CallError, match="other") as told:
                await wanted
            assert told.value.code == "not_found.model"

    assert (shown["license"], shown["capabilities"]) == ("MIT", ["completion"])
    assert [(one["name"], one["size_vram"]) for one in running] == [("small", 9)]


async def test_a_call_ends_at_its_deadline_whatever_the_server_does() -> None:
    async with ollama() as (_, provider), serving(provider) as client:
        with pytest.raises(CallError) as told:
            await client.with_options(timeout=0.3).invoke("ollama", "generate", prompt="Hi", model="hangs")
        assert told.value.code == "deadline_exceeded"


async def test_a_server_that_is_killed_under_calls_is_unavailable_until_it_is_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    provider = OllamaProvider(url=f"http://127.0.0.1:{port}", name="ollama")

    async def started() -> asyncio.subprocess.Process:
        argv = [sys.executable, "-m", "tests.providers.ollama_server", str(port)]
        process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT)
        try:
            async with asyncio.timeout(20):
                while "status" in await provider.get_health_status():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        except BaseException:
            process.kill()
            raise
        return process

    process = await started()
    try:
        stream = aiter(provider.stream("Hi", model="slow"))
        await anext(stream)
        hanging = asyncio.ensure_future(provider.invoke("generate", prompt="Hi", model="hangs"))
        await asyncio.sleep(0)
        process.kill()
        for waiting in (hanging, _all(stream)):
            with pytest.raises(Unavailable):
                await asyncio.wait_for(waiting, 10)
        await process.wait()
        process = await started()
        assert (await provider.invoke("generate", prompt="Hi", model="small"))["text"] == "Hi all"
    finally:
        process.kill()
        await process.wait()
        await provider.on_disconnected()


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(OllamaProvider, words=["small", "user", "busy", "json"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call) -> None:
    async with ollama() as (_, provider):
        await answered(provider, call)

"""Anthropic's API as its provider speaks it, against a server of ours on loopback."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from gleitzeit_extensions.current import CURRENT, CurrentCall
from gleitzeit_extensions.testing import serving
from providers import anthropic_provider, hosted, upstream
from providers.anthropic_provider import AnthropicProvider
from tests.providers.anthropic_server import CITED, ERRORS, STOPS, THOUGHT, USE, FakeAnthropic
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
USAGE = {"input_tokens": 7, "output_tokens": 2}
ADD = {
    "type": "function",
    "function": {"name": "add", "description": "Adds", "parameters": {"type": "object"}},
}
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}


@asynccontextmanager
async def claude(**config: Any) -> AsyncIterator[tuple[FakeAnthropic, AnthropicProvider]]:
    fake = FakeAnthropic()
    runner = web.AppRunner(fake.app(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    chosen = {"api_key": "sk-ant-secret", "base_url": url, "default_model": "small", **config}
    provider = AnthropicProvider(name="claude", **chosen)
    try:
        yield fake, provider
    finally:
        await provider.on_disconnected()
        await runner.cleanup()


async def test_a_prompt_is_answered_with_what_was_asked_passed_on() -> None:
    async with claude(max_tokens=99) as (fake, provider):
        answer = await provider.invoke("generate", prompt="Hi", system="Be brief", options={"top_p": 0.5})
        await provider.invoke("generate", prompt="Hi", max_tokens=5, temperature=0, model="other")
        await provider.invoke("generate", prompt="Hi", options={"max_tokens": 9, "top_k": None})

    assert answer == {"text": "Hi all", "model": "small", "usage": USAGE, "finish_reason": "stop"}
    hi = [{"role": "user", "content": "Hi"}]
    assert fake.asked == [
        {"model": "small", "messages": hi, "system": "Be brief", "max_tokens": 99, "top_p": 0.5},
        {"model": "other", "messages": hi, "max_tokens": 5, "temperature": 0},
        {"model": "small", "messages": hi, "max_tokens": 9},
    ]


async def test_a_conversation_with_tools_goes_both_ways() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    linked = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be brief"},
        {"role": "developer", "content": "And kind"},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, picture, linked]},
    ]
    async with claude() as (fake, provider):
        said = await provider.invoke("chat", messages=messages, tools=[ADD, {"type": "web_search"}])
        results = [
            {"role": "tool", "tool_call_id": "toolu_1", "content": "3"},
            {"role": "tool", "tool_call_id": "toolu_2", "content": [{"type": "text", "text": "4"}]},
        ]
        await provider.invoke("chat", messages=[*messages, said["message"], *results])
        theirs = {"role": "assistant", "content": "So", "tool_calls": [CALL, {"function": {"name": "now"}}]}
        await provider.invoke("chat", messages=[*messages, theirs, *results])

    assert said == {
        "message": {
            "role": "assistant",
            "content": "Hi all",
            "tool_calls": [CALL],
            "thinking": "hm",
            "blocks": [THOUGHT, {"type": "text", "text": "Hi all"}, USE],
        },
        "model": "small",
        "usage": USAGE,
        "finish_reason": "tool_calls",
    }
    now: dict[str, Any] = {"type": "tool_use", "id": None, "name": "now", "input": {}}
    first, second, third = fake.asked
    assert first["system"] == "Be brief\n\nAnd kind"
    assert first["tools"] == [
        {"name": "add", "description": "Adds", "input_schema": {"type": "object"}},
        {"type": "web_search"},
    ]
    assert first["messages"][0]["content"][1:] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
    ]
    told = {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": [{"type": "text", "text": "4"}]},
        ],
    }
    assert second["messages"][1:] == [{"role": "assistant", "content": said["message"]["blocks"]}, told]
    assert third["messages"][1:] == [
        {"role": "assistant", "content": [{"type": "text", "text": "So"}, USE, now]},
        told,
    ]


@pytest.mark.parametrize("args", [{"prompt": "Hi"}, {"messages": [{"role": "user", "content": "Hi"}]}])
async def test_a_stream_ends_with_its_usage(args: dict[str, Any]) -> None:
    async with claude() as (_, provider):
        items = [item async for item in provider.stream(**args)]

    assert "".join(item["token"] for item in items) == "Hi all"
    end = {"usage": USAGE, "finish_reason": "stop"}
    assert items[-1] == {"token": "", "done": True, "model": "small", **end}
    assert [item["done"] for item in items] == [False, False, True]


async def test_a_stream_puts_tools_and_thoughts_together() -> None:
    async with claude() as (_, provider):
        items = [item async for item in provider.stream("Hi", tools=[ADD])]

    assert items[0] == {"token": "", "thinking": "hm", "done": False, "model": "small"}
    assert items[-1]["tool_calls"] == [CALL]
    assert items[-1]["blocks"] == [THOUGHT, {"type": "text", "text": "Hi all"}, USE]
    assert items[-1]["finish_reason"] == "tool_calls"


async def test_health_waits_for_nobody_and_forgives_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosted, "HEALTH_WITHIN", 0.2)
    async with claude() as (fake, provider):
        fake.lists = "hangs"
        async with asyncio.timeout(10):
            health = await provider.get_health_status()
        monkeypatch.undo()
        fake.lists = "busy"
        assert await provider.get_health_status() == {"healthy": True}
    assert (health["status"], "did not answer in time" in health["reason"]) == ("degraded", True)


async def test_a_call_that_names_no_model_has_the_only_one_or_is_refused() -> None:
    async with claude(default_model="") as (fake, provider):
        with pytest.raises(InvalidRequest, match="say which model"):
            await provider.invoke("generate", prompt="Hi")
        provider.models = ["only"]
        await provider.invoke("generate", prompt="Hi", options={"stream": True})
    assert [(body["model"], "stream" in body) for body in fake.asked] == [("only", False)]


async def test_what_an_answer_cites_is_kept_in_its_blocks() -> None:
    async with claude() as (_, provider):
        said = await provider.invoke("chat", messages=[{"role": "user", "content": "Hi"}], model="cites")
        items = [item async for item in provider.stream("Hi", model="cites")]

    blocks = [{"type": "text", "text": "Hi all", "citations": [CITED]}]
    assert said["message"]["blocks"] == items[-1]["blocks"] == blocks


async def test_models_health_and_tokens_cost_nothing() -> None:
    async with claude() as (fake, provider):
        assert await provider.discover_models() == ["claude-a", "claude-b"]
        assert await provider.get_health_status() == {"healthy": True, "metrics": {"models": 2}}
        counted = await provider.invoke("count_tokens", messages=[{"role": "user", "content": "Hi"}])
        provider.models = ["mine"]
        for fake.lists in (False, "page"):
            assert await provider.discover_models() == ["mine"]
            assert await provider.get_health_status() == {"healthy": True, "metrics": {}}

    assert counted == {"input_tokens": 12}
    assert fake.asked == [{"model": "small", "messages": [{"role": "user", "content": "Hi"}]}]


CODES = {
    "busy": "rate_limited",
    "full": "unavailable",
    "conflict": "unavailable",
    "broken": "unavailable",
    "long": "context_too_long",
    "large": "context_too_long",
    "wrong": "invalid_request",
    "none": "not_found.model",
    "unknown": "not_found.model",
    "forbidden": "provider_error",
    "poor": "provider_error",
    "moved": "provider_error",
    "html": "provider_error",
    "list": "provider_error",
    "refuses": "content_filtered",
}


@pytest.mark.parametrize("model", CODES)
async def test_a_refusal_is_told_by_its_class_and_nothing_is_tried_again(model: str) -> None:
    async with claude() as (fake, provider):
        with pytest.raises(CallError) as told:
            await provider.invoke("generate", prompt="Hi", model=model)

    assert told.value.code == CODES[model], told.value.message
    assert len(fake.asked) == 1
    assert told.value.detail == ({"retry_after": 7.0} if model == "busy" else {})
    if model in ERRORS:
        assert ERRORS[model][2] in told.value.message


@pytest.mark.parametrize(
    ("model", "code", "words"),
    [
        ("dies", "unavailable", "no answer from Anthropic at"),
        ("ends", "unavailable", "before it was done"),
        ("fails", "unavailable", "Overloaded"),
        ("huge", "provider_error", "an event of more than"),
        ("busy", "rate_limited", "rate limit"),
        ("odd", "provider_error", "an event that is no object"),
        ("garbled", "provider_error", "not JSON"),
        ("html", "provider_error", "with no stream: is its base_url right"),
    ],
)
async def test_a_stream_that_breaks_is_never_taken_for_a_whole_one(
    model: str, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "LONGEST_LINE", 100_000)
    async with claude() as (_, provider):
        with pytest.raises(CallError, match=words) as told:
            async for _ in provider.stream("Hi", model=model):
                pass
    assert told.value.code == code


async def test_a_stream_that_is_refused_after_its_beginning_is_no_answer() -> None:
    async with claude() as (_, provider):
        with pytest.raises(CallError, match="refused to answer") as told:
            _ = [item async for item in provider.stream("Hi", model="refuses")]
    assert told.value.code == "content_filtered"


async def test_an_answer_without_what_was_asked_for_is_no_answer() -> None:
    async with claude(default_model="empty") as (_, provider):
        messages = [{"role": "user", "content": "Hi"}]
        for method, words in (("chat", "without content"), ("count_tokens", "without input_tokens")):
            with pytest.raises(CallError, match=words) as told:
                await provider.invoke(method, messages=messages)
            assert told.value.code == "provider_error"


async def test_the_model_that_answered_is_named() -> None:
    async with claude(default_model="alias") as (_, provider):
        assert (await provider.invoke("generate", prompt="Hi"))["model"] == "claude-of-today"
        assert {item["model"] async for item in provider.stream("Hi")} == {"claude-of-today"}


async def test_why_an_answer_ended_is_told_in_the_words_of_the_other_providers() -> None:
    async with claude() as (_, provider):
        told = [(await provider.generate("Hi", model=reason))["finish_reason"] for reason in STOPS]
    assert told == ["length", "stop", "length", "pause_turn"]


async def test_a_list_of_models_without_an_end_is_read_to_its_last_new_one() -> None:
    async with claude() as (fake, provider):
        fake.lists = "again"
        assert await provider.discover_models() == ["claude-a", "claude-b"]


async def test_a_provider_that_was_disconnected_has_closed_its_connections_and_opens_others() -> None:
    async with claude() as (_, provider):
        await provider.generate("Hi")
        first = provider._api._opened()
        await provider.on_disconnected()
        assert first.is_closed()
        assert (await provider.generate("Hi"))["text"] == "Hi all"


async def test_requests_are_not_logged_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with claude() as (_, provider):
        await provider.generate("Hi")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("httpx")] == []


def test_a_package_that_is_missing_is_told_with_the_way_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anthropic_provider, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'gleitzeitd\[anthropic\]'"):
        AnthropicProvider(api_key="k", name="claude")


async def test_a_key_that_is_refused_is_not_repeated() -> None:
    async with claude(api_key="sk-ant-wrong\n") as (_, provider):
        with pytest.raises(CallError, match="is its api_key right") as told:
            await provider.invoke("generate", prompt="Hi")
        health = await provider.get_health_status()
    assert (health["healthy"], health["status"]) == (True, "degraded")
    assert "sk-ant" not in told.value.message + health["reason"]


async def test_the_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "another")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "another")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    async with claude() as (_, provider):
        assert (await provider.invoke("generate", prompt="Hi"))["text"] == "Hi all"


async def test_a_caller_that_leaves_ends_the_work_of_the_server() -> None:
    async with claude() as (fake, provider), serving(provider) as client:
        async with client.stream("claude", "stream", prompt="Hi", model="slow") as items:
            await anext(aiter(items))
        await asyncio.wait_for(fake.left.wait(), 5)


async def test_a_question_ends_with_its_call() -> None:
    async with claude() as (fake, provider), asyncio.timeout(20):
        token = CURRENT.set(CurrentCall(id="c", method="generate", ends_at=time.monotonic() + 0.3))
        with pytest.raises(Unavailable, match="did not answer in time"):
            await provider.generate("Hi", model="hangs")
        CURRENT.reset(token)
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, "either a prompt or messages"),
        ({"prompt": "a", "messages": []}, "either a prompt or messages"),
        (
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}
                ]
            },
            'of the call of "f" are no JSON',
        ),
        ({"prompt": "\ud800"}, "half a character"),
    ],
)
async def test_what_cannot_be_asked_is_told(args: dict[str, Any], words: str) -> None:
    async with claude() as (_, provider):
        with pytest.raises(InvalidRequest, match=words):
            async for _ in provider.stream(**args):
                pass


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"api_key": " "}, "api_key is missing"),
        ({"api_key": "a\nb"}, "api_key cannot be sent"),
        ({"api_key": "k", "base_url": "api.anthropic.com"}, "write it like https://api.anthropic.com"),
        ({"api_key": "k", "base_url": "https://me:secret@localhost"}, "no plain URL"),
        ({"api_key": "k", "base_url": "http://[::1"}, "no plain URL"),
        ({"api_key": "k", "max_tokens": 0}, "max_tokens is 1 or more"),
    ],
)
def test_a_config_that_cannot_be_is_refused_at_the_start(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AnthropicProvider(name="claude", **config)


async def test_a_server_that_is_killed_under_calls_is_unavailable_until_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosted, "HEALTH_WITHIN", 30.0)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    argv = [sys.executable, "-m", "tests.providers.anthropic_server", str(port)]
    provider = AnthropicProvider(api_key="k", base_url=f"http://127.0.0.1:{port}", name="claude")

    async def is_up() -> bool:
        return "status" not in await provider.get_health_status()

    async def started() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(*argv, cwd=ROOT)
        try:
            async with asyncio.timeout(20):
                while not await is_up():  # noqa: ASYNC110 - another process sets no event
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
        for waiting in (hanging, _rest(stream)):
            with pytest.raises(Unavailable):
                await asyncio.wait_for(waiting, 10)
        await process.wait()
        process = await started()
        assert (await provider.invoke("generate", prompt="Hi", model="small"))["text"] == "Hi all"
    finally:
        process.kill()
        await process.wait()
        await provider.on_disconnected()


async def _rest(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        pass


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(AnthropicProvider, words=["small", "user", "tool", "busy"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call) -> None:
    async with claude() as (_, provider):
        await answered(provider, call)

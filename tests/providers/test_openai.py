"""OpenAI's API as its provider speaks it, against a server of ours that answers as was recorded."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gleitzeit_extensions import (
    CallError,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Unavailable,
)
from gleitzeit_extensions.client.errors import ClientError
from gleitzeit_extensions.current import CURRENT, CurrentCall
from gleitzeit_extensions.testing import serving
from providers.openai_provider import OpenAIProvider
from providers.openai_shapes import ToolCalls
from tests.providers.fuzz import Call, answered, calls
from tests.providers.openai_server import ERRORS, FakeOpenAI

pytestmark = pytest.mark.anyio

KEY = "sk-secret"
HI = [{"role": "user", "content": "Hi"}]
ADD = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]
USAGE = {"input_tokens": 3, "output_tokens": 2}


@asynccontextmanager
async def openai(key: str = KEY, **config: Any) -> AsyncIterator[tuple[FakeOpenAI, OpenAIProvider]]:
    fake = FakeOpenAI()
    runner = web.AppRunner(fake.app(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    provider = OpenAIProvider(name="gpt", api_key=key, base_url=url, **{"default_model": "small", **config})
    try:
        yield fake, provider
    finally:
        await provider.on_disconnected()
        await runner.cleanup()


async def test_a_prompt_is_answered_with_what_was_asked_passed_on() -> None:
    async with openai(f"{KEY}\n", organization="org-1", project="p-1", headers={"X-Title": "Gleitzeit"}) as (
        fake,
        gpt,
    ):
        answer = await gpt.invoke(
            "generate", prompt="Hi", system="Be brief", max_tokens=5, options={"seed": 1, "stream": True}
        )

    assert answer == {"text": "Hi all", "model": "small-2026", "usage": USAGE, "finish_reason": "stop"}
    messages = [{"role": "system", "content": "Be brief"}, *HI]
    assert fake.asked == [{"model": "small", "messages": messages, "max_tokens": 5, "seed": 1}]
    sent = {name.lower(): value for name, value in fake.headers[0].items()}
    assert sent["authorization"] == f"Bearer {KEY}"
    assert (sent["openai-organization"], sent["openai-project"], sent["x-title"]) == (
        "org-1",
        "p-1",
        "Gleitzeit",
    )


async def test_tools_go_there_and_what_the_model_asks_of_them_comes_back() -> None:
    async with openai() as (fake, gpt):
        said = await gpt.invoke("chat", messages=HI, tools=ADD, options={"tool_choice": "required"})
        result = {"role": "tool", "tool_call_id": "call_1", "content": "2"}
        await gpt.invoke("chat", messages=[*HI, said["message"], result], tools=[])

    assert said["message"]["tool_calls"][0]["function"] == {"name": "add", "arguments": "{}"}
    assert said["finish_reason"] == "tool_calls"
    assert (fake.asked[0]["tools"], fake.asked[0]["tool_choice"]) == (ADD, "required")
    assert fake.asked[1]["messages"] == [*HI, said["message"], result]
    assert "tools" not in fake.asked[1]


@pytest.mark.parametrize("args", [{"prompt": "Hi"}, {"messages": HI}])
async def test_a_stream_ends_with_its_usage(args: dict[str, Any]) -> None:
    async with openai() as (fake, gpt):
        items = [item async for item in gpt.stream(**args)]

    assert fake.asked[0]["messages"] == HI
    assert [(item["token"], item["done"]) for item in items] == [("Hi ", False), ("all", False), ("", True)]
    assert items[-1] == {
        "token": "",
        "done": True,
        "model": "small-2026",
        "usage": USAGE,
        "finish_reason": "stop",
    }


async def test_the_pieces_of_tool_calls_are_put_together() -> None:
    async with openai() as (_, gpt):
        last = [item async for item in gpt.stream(messages=HI, tools=ADD)][-1]

    assert last["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
    ]
    assert last["finish_reason"] == "tool_calls"


def test_pieces_of_tool_calls_without_numbers_are_told_apart_by_their_ids() -> None:
    calls = ToolCalls()
    calls.add([{"id": "call_1", "function": {"name": "add", "arguments": '{"a"'}}])
    calls.add([{"function": {"arguments": ": 1}"}}, "no piece", {"id": "call_2", "function": "none"}])
    calls.add([{"function": {"name": "now", "arguments": {"zone": "UTC"}}}])

    assert [(call["id"], *call["function"].values()) for call in calls.whole()] == [
        ("call_1", "add", '{"a": 1}'),
        ("call_2", "now", '{"zone": "UTC"}'),
    ]


async def test_a_model_that_thinks_is_heard_thinking() -> None:
    async with openai() as (_, gpt):
        first = await anext(gpt.stream("Hi", model="thinker"))

    assert first == {"token": "", "done": False, "model": "thinker-2026", "thinking": "Hm."}


async def test_vectors_come_in_the_order_of_the_texts() -> None:
    async with openai(embedding_model="embed") as (fake, gpt):
        answer = await gpt.invoke("embed", input=["a", "b"], options={"dimensions": 1})

    usage = {"input_tokens": 3, "output_tokens": 0}
    assert answer == {"embeddings": [[0.5], [1.5]], "model": "embed-1", "usage": usage}
    assert fake.asked == [{"model": "embed", "input": ["a", "b"], "dimensions": 1}]


async def test_the_responses_api_answers_and_asks_for_tools() -> None:
    async with openai() as (fake, gpt):
        said = await gpt.invoke("respond", input="Hi", instructions="Be brief", previous_response_id="resp_0")
        asks = await gpt.invoke("respond", input=HI, tools=[{"type": "function", "name": "add"}])
        short = await gpt.invoke("respond", input="Hi", model="short", max_tokens=2)

    assert fake.asked[0] == {
        "model": "small",
        "input": "Hi",
        "instructions": "Be brief",
        "previous_response_id": "resp_0",
    }
    assert (said["id"], said["text"], said["usage"], said["finish_reason"]) == (
        "resp_1",
        "Hi all",
        USAGE,
        "stop",
    )
    assert (asks["output"][0]["name"], asks["finish_reason"]) == ("add", "tool_calls")
    assert (fake.asked[2]["max_output_tokens"], short["finish_reason"]) == (2, "length")


async def test_a_response_is_streamed() -> None:
    async with openai() as (_, gpt):
        items = [item async for item in gpt.respond_stream("Hi")]

    assert items[0]["thinking"] == "Hm."
    assert "".join(item["token"] for item in items) == "Hi all"
    assert (items[-1]["done"], items[-1]["usage"], items[-1]["id"]) == (True, USAGE, "resp_1")
    assert items[-1]["output"][1]["content"][0]["text"] == "Hi all"


async def test_a_server_that_leaves_things_out_is_understood() -> None:
    async with openai() as (_, gpt):
        answer = await gpt.invoke("generate", prompt="Hi", model="bare")

    usage = {"input_tokens": 0, "output_tokens": 0}
    assert answer == {"text": "Hi all", "model": "bare", "usage": usage, "finish_reason": "stop"}


REFUSED = {
    "unpaid": (RateLimited, "exceeded your current quota"),
    "busy": (RateLimited, "Rate limit reached"),
    "hurried": (RateLimited, "Rate limit reached"),
    "dated": (RateLimited, "Rate limit reached"),
    "long": (ContextTooLong, "maximum context length is 8192"),
    "azure": (ContentFiltered, "filtered due to the prompt"),
    "held": (ContentFiltered, "did not pass its filter"),
    "missing": (CallError, "`missing` does not exist"),
    "wrong": (InvalidRequest, "Invalid value"),
    "forbidden": (CallError, "may its api_key, organization and project do this"),
    "down": (Unavailable, "Overloaded"),
    "moved": (CallError, "is its base_url right"),
    "html": (CallError, "with no JSON object"),
    "garbage": (CallError, "not JSON"),
    "list": (CallError, "with no JSON object"),
    "nothing": (CallError, "without a message"),
    "inside": (RateLimited, "Provider returned error"),
}


@pytest.mark.parametrize("model", REFUSED)
async def test_a_refusal_is_told_by_its_class(model: str) -> None:
    kind, words = REFUSED[model]
    async with openai() as (_, gpt):
        with pytest.raises(CallError, match=words) as told:
            await gpt.invoke("generate", prompt="Hi", model=model)

    assert told.type is kind
    wait = {"busy": 7.0, "hurried": 1.5, "down": 3.0}.get(model)
    assert told.value.detail == ({} if wait is None else {"retry_after": wait})
    if kind is CallError:
        assert told.value.code == ("not_found.model" if model == "missing" else "provider_error")


def test_each_recorded_error_is_tried() -> None:
    assert set(ERRORS) <= set(REFUSED)


async def test_a_wrong_key_is_named_and_never_repeated() -> None:
    async with openai("sk-wrong-key") as (_, gpt):
        with pytest.raises(CallError, match="is its api_key right") as told:
            await gpt.invoke("generate", prompt="Hi")
        health = await gpt.get_health_status()

    assert told.value.code == "provider_error"
    assert health["status"] == "degraded"
    assert "sk-wrong-key" not in f"{told.value} {told.value.message} {health}"


BROKEN = {
    "dies": (Unavailable, "no answer from the server at"),
    "fails": (Unavailable, "out of memory"),
    "limits": (RateLimited, "slow down"),
    "overlong": (ContextTooLong, "Your input is too long"),
    "garbled": (CallError, "not JSON"),
    "odd": (CallError, "no object"),
    "ends": (Unavailable, "before it was done"),
}


@pytest.mark.parametrize("model", BROKEN)
async def test_a_stream_that_breaks_is_never_taken_for_a_whole_one(model: str) -> None:
    kind, words = BROKEN[model]
    async with openai() as (_, gpt):
        with pytest.raises(kind, match=words) as told:
            async for _ in gpt.stream("Hi", model=model):
                pass

    assert told.type is kind


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("ends", Unavailable, "before it was done"),
        ("fails", Unavailable, "The model failed"),
        ("limits", RateLimited, "slow down"),
        ("held", ContentFiltered, "did not pass its filter"),
    ],
)
async def test_a_response_that_breaks_is_told_by_its_class(
    model: str, kind: type[CallError], words: str
) -> None:
    async with openai() as (_, gpt):
        with pytest.raises(kind, match=words):
            async for _ in gpt.respond_stream("Hi", model=model):
                pass


async def test_an_answer_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.upstream.LARGEST_ANSWER", 100_000)
    monkeypatch.setattr("providers.upstream.LONGEST_LINE", 100_000)
    async with openai() as (fake, gpt):
        fake.says = [{"choices": [{"message": {"content": "x" * 200_000}}]}]
        with pytest.raises(CallError, match="gave an answer of more than 100,000 bytes"):
            await gpt.invoke("generate", prompt="Hi")
        with pytest.raises(CallError, match="sent an event of more than 100,000 bytes"):
            await anext(gpt.stream("Hi"))


async def test_an_event_of_many_lines_is_bounded_and_many_events_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("providers.upstream.LONGEST_LINE", 100_000)
    piece = b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}'
    async with openai() as (fake, gpt):
        fake.raw = web.Response(body=b"data: 1\n" * 50_000, content_type="text/event-stream")
        with pytest.raises(CallError, match="sent an event of more than 100,000 bytes"):
            await anext(gpt.stream("Hi"))
        for end in (b"\n\n", b"\r\n\r\n"):
            fake.raw = web.Response(body=(piece + end) * 3000, content_type="text/event-stream")
            assert len([item async for item in gpt.stream("Hi")]) == 3001


async def test_a_compressed_answer_which_may_be_of_any_size_is_refused() -> None:
    bomb = gzip.compress(json.dumps({"choices": [{"message": {"content": "x" * 1_000_000}}]}).encode())
    async with openai() as (fake, gpt):
        await gpt.invoke("generate", prompt="Hi")
        assert fake.headers[-1]["Accept-Encoding"] == "identity"
        headers = {"Content-Encoding": "gzip"}
        fake.raw = web.Response(body=bomb, content_type="application/json", headers=headers)
        with pytest.raises(CallError, match="sent a compressed answer, which it was asked not to do"):
            await gpt.invoke("generate", prompt="Hi")


async def test_a_stream_of_which_all_is_held_back_is_an_error_and_half_of_one_is_none() -> None:
    end = {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}
    async with openai() as (fake, gpt):
        fake.says = [end]
        with pytest.raises(ContentFiltered, match="did not pass its filter"):
            await anext(gpt.stream("Hi"))
        fake.says = [{"choices": [{"delta": {"content": "Half"}}]}, end]
        assert [item async for item in gpt.stream("Hi")][-1]["finish_reason"] == "content_filter"


async def test_a_stream_is_told_how_to_answer_with_messages_too() -> None:
    async with openai() as (fake, gpt):
        async for _ in gpt.stream(messages=HI, system="Be short"):
            pass

    assert fake.asked[-1]["messages"] == [{"role": "system", "content": "Be short"}, *HI]


async def test_a_caller_that_leaves_ends_the_work_of_the_server() -> None:
    async with openai() as (fake, gpt), serving(gpt) as client:
        async with client.stream("gpt", "stream", prompt="Hi", model="slow") as items:
            await anext(aiter(items))
        await asyncio.wait_for(fake.left.wait(), 5)


async def test_all_models_of_a_list_in_pages_are_found() -> None:
    async with openai() as (_, gpt):
        assert await gpt.discover_models() == ["gpt-4.1", "text-embedding-3-small"]
        assert await gpt.get_health_status() == {"healthy": True, "metrics": {"models": 2}}


async def no_list(request: web.Request) -> web.StreamResponse:
    return web.Response(status=404, text="404 page not found")


async def another_shape(request: web.Request) -> web.StreamResponse:
    return web.json_response({"error": "Unexpected endpoint or method. (GET /v1/models)"})


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    raise AssertionError


async def is_busy(request: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "Rate limit reached"}}, status=429)


async def trickles(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("answer", [no_list, another_shape])
async def test_a_server_without_a_list_of_models_is_well(answer: Any) -> None:
    async with openai(models=["mine"]) as (fake, gpt):
        fake.models = answer
        assert await gpt.discover_models() == ["mine"]
        assert await gpt.get_health_status() == {"healthy": True, "metrics": {}}


async def test_a_server_that_is_asked_too_often_is_well() -> None:
    async with openai() as (fake, gpt):
        fake.models = is_busy
        assert await gpt.get_health_status() == {"healthy": True}


@pytest.mark.parametrize("answer", [hangs, trickles])
async def test_a_server_that_hangs_is_degraded_soon(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.hosted.HEALTH_WITHIN", 0.2)
    async with openai() as (fake, gpt):
        fake.models = answer
        health = await asyncio.wait_for(gpt.get_health_status(), 10)

    assert health["status"] == "degraded"
    assert "did not answer in time" in health["reason"]


async def test_a_request_has_the_time_that_its_call_has() -> None:
    async with openai() as (_, gpt):
        CURRENT.set(CurrentCall("1", "generate", ends_at=time.monotonic() + 0.2))
        with pytest.raises(Unavailable, match="did not answer in time"):
            await asyncio.wait_for(gpt.invoke("generate", prompt="Hi", model="hangs"), 10)


async def test_a_call_is_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with openai() as (_, gpt):
        with caplog.at_level(logging.INFO):
            await gpt.invoke("generate", prompt="Hi")

    assert [record.name for record in caplog.records if record.name != "aiohttp.access"] == []


async def test_nothing_of_the_environment_is_shown_to_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID"):
        monkeypatch.setenv(f"OPENAI_{name}", "of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    async with openai("") as (fake, gpt):
        fake.key = ""
        await gpt.invoke("generate", prompt="Hi")

    (sent,) = fake.headers
    assert "of-the-environment" not in str(sent)
    assert not [name for name in sent if name.lower().startswith(("authorization", "openai-"))]


async def test_a_call_says_which_model_unless_there_is_one() -> None:
    async with openai(default_model="") as (fake, gpt):
        with pytest.raises(InvalidRequest, match="default_model"):
            await gpt.invoke("generate", prompt="Hi")
        with pytest.raises(InvalidRequest, match="embedding_model"):
            await gpt.invoke("embed", input="Hi")
        gpt.models = ["only"]
        await gpt.invoke("generate", prompt="Hi")

    assert [body["model"] for body in fake.asked] == ["only"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "api_key is missing"),
        ({"base_url": "localhost:8000"}, "base_url is no plain URL"),
        ({"base_url": "http://me:secret@localhost/v1"}, "base_url is no plain URL"),
        ({"base_url": "http://[::1"}, "base_url is no plain URL"),
        ({"base_url": "http://localhost:99999/v1"}, "base_url is no plain URL"),
        ({"base_url": "http://localhost/v1\n"}, "base_url is no plain URL"),
        ({"base_url": "http://localhost/v1?secret"}, "base_url is no plain URL"),
        ({"api_key": "sk-\nsecret"}, "api_key.* cannot be sent"),
        ({"api_key": "sk-1", "headers": {"X-Title": "ü"}}, "X-Title.* cannot be sent"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_the_start(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as told:
        OpenAIProvider(name="gpt", **config)
    assert "secret" not in str(told.value)


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.openai_provider.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'gleitzeitd\[openai\]'"):
        OpenAIProvider(name="gpt", api_key="sk-1")


def test_its_module_is_imported_without_the_package() -> None:
    code = "import providers.openai_provider, sys; print('openai' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n", done.stderr


@pytest.fixture
async def both() -> AsyncIterator[tuple[FakeOpenAI, OpenAIProvider]]:
    async with openai(embedding_model="embed") as (fake, gpt):
        yield fake, gpt


fuzz = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(call=calls(OpenAIProvider, words=["small", *ERRORS, *BROKEN, "bare", "nothing", "inside"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(
    both: tuple[FakeOpenAI, OpenAIProvider], call: Call
) -> None:
    await answered(both[1], call)


FIELDS = (
    *("choices", "message", "delta", "content", "tool_calls", "index", "id", "function", "name", "arguments"),
    *("finish_reason", "usage", "prompt_tokens", "model", "data", "embedding", "error", "code", "type"),
    *("response", "output", "text", "incomplete_details", "reason", "status", "reasoning_content"),
)
WORDS = st.sampled_from(["message", "call_1", "\ud800", ""])
SCALARS = st.none() | st.booleans() | st.integers(0, 500) | WORDS
JSON = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), one, max_size=4)
)
MESSAGE = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4)
CHOICE = st.fixed_dictionaries({"message": MESSAGE, "delta": MESSAGE | JSON, "finish_reason": JSON})
COUNTS = st.fixed_dictionaries({"prompt_tokens": SCALARS})
CHOICES = st.fixed_dictionaries(
    {
        "choices": st.lists(CHOICE, max_size=2),
        "model": JSON,
        "usage": COUNTS,
    }
)
KINDS = st.sampled_from(["completed", "failed", "output_text.delta"]).map("response.{}".format)
EVENTS = st.fixed_dictionaries(
    {"type": KINDS, "response": JSON, "output": JSON, "delta": JSON, "model": JSON, "usage": JSON}
)
ASKED = {
    "generate": {"prompt": "Hi"},
    "stream": {"prompt": "Hi"},
    "embed": {"input": "Hi"},
    "respond": {"input": "Hi"},
    "respond_stream": {"input": "Hi"},
}


@fuzz
@given(method=st.sampled_from(sorted(ASKED)), says=st.lists(JSON | CHOICES | EVENTS, min_size=1, max_size=3))
async def test_whatever_a_server_says_it_is_understood_or_refused(
    both: tuple[FakeOpenAI, OpenAIProvider], method: str, says: list[Any]
) -> None:
    fake, gpt = both
    fake.says = says
    for item in await answered(gpt, (method, ASKED[method])):
        assert isinstance(item["model"], str)
        assert isinstance(item.get("text", item.get("token", "")), str)
        assert all(isinstance(count, int) for count in item.get("usage", {}).values())


ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def server(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The same server in a process of its own, when it listens."""
    process = subprocess.Popen([sys.executable, "-m", "tests.providers.openai_server", str(port)], cwd=ROOT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def until_it_answers(gpt: OpenAIProvider) -> None:
    async with asyncio.timeout(20):
        while "status" in await gpt.get_health_status():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def read(items: Any) -> None:
    async for _ in items:
        pass


async def test_a_server_that_is_killed_is_unavailable_and_serves_on_when_it_is_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    gpt = OpenAIProvider(name="gpt", base_url=f"http://127.0.0.1:{port}/v1", default_model="small")
    async with serving(gpt) as client:
        with server(port) as process:
            await until_it_answers(gpt)
            async with client.stream("gpt", "stream", prompt="Hi", model="slow") as items:
                await anext(aiter(items))
                process.send_signal(signal.SIGKILL)
                with pytest.raises(ClientError, match="no answer from the server at") as told:
                    await read(items)
            assert told.value.code == "unavailable"
            with pytest.raises(ClientError, match="no answer from the server at"):
                await client.invoke("gpt", "generate", prompt="Hi")
        with server(port):
            await until_it_answers(gpt)
            assert (await client.invoke("gpt", "generate", prompt="Hi"))["text"] == "Hi all"

"""APIs of models as the config file describes them, against a server of ours that answers as theirs do."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from ruamel.yaml import YAML

from gleitzeit_extensions import CallError, ContextTooLong, InvalidRequest, RateLimited, Unavailable
from gleitzeit_extensions.authors import Misconfigured
from gleitzeit_extensions.building import build
from gleitzeit_extensions.context import Launch
from gleitzeit_extensions.testing import serving
from providers import upstream
from providers.rest_llm_provider import RestLLMProvider
from tests.providers.fuzz import Call, answered, calls

pytestmark = pytest.mark.anyio

Block = dict[str, Any]

SECRET = "sk-very-secret"

TGI: Block = {
    "generate": {
        "path": "/generate",
        "body": {
            "inputs": "{prompt}",
            "parameters": {
                "max_new_tokens": "{max_tokens}",
                "temperature": "{temperature}",
                "top_p": "{options.top_p}",
                "details": True,
            },
        },
        "text": "generated_text",
        "output_tokens": "details.generated_tokens",
        "finish_reason": "details.finish_reason",
    },
    "stream": {
        "path": "/generate_stream",
        "body": {"inputs": "{prompt}", "parameters": {"max_new_tokens": "{max_tokens}"}},
        "text": "token.text",
        "done": "details",
        "output_tokens": "details.generated_tokens",
        "finish_reason": "details.finish_reason",
    },
    "embed": {"path": "/embed", "body": {"inputs": "{input}"}, "embeddings": "@"},
}
"""Text Generation Inference, and its sister for embeddings."""

COHERE: Block = {
    "chat": {
        "path": "/v2/chat",
        "body": {"model": "{model}", "messages": "{messages}", "max_tokens": "{max_tokens}"},
        "text": "message.content[*].text",
        "input_tokens": "usage.tokens.input_tokens",
        "output_tokens": "usage.tokens.output_tokens",
        "finish_reason": "finish_reason",
    },
    "stream": {
        "path": "/v2/chat",
        "body": {"model": "{model}", "messages": "{messages}", "stream": True},
        "text": "delta.message.content.text",
        "input_tokens": "delta.usage.tokens.input_tokens",
        "output_tokens": "delta.usage.tokens.output_tokens",
        "finish_reason": "delta.finish_reason",
        "end": "[DONE]",
    },
}

NATIVE: Block = {
    "stream": {
        "path": "/api/{model}/completion",
        "body": {"prompt": "### {system}\n{prompt} {{}}", "stream": True},
        "format": "ndjson",
        "text": "content",
        "done": "stop",
    }
}


EVERYTHING = {**TGI, "chat": COHERE["chat"]}


class FakeAPI:
    """Answers as the APIs above do; a prompt of one word says how it fails."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.headers: dict[str, str] = {}
        self.left = asyncio.Event()
        self.answers: dict[str, Any] = {
            "/generate": {
                "generated_text": "Hi all",
                "details": {"generated_tokens": 2, "finish_reason": "length"},
            },
            "/embed": [[0.5], [1.5]],
            "/v2/chat": {
                "message": {"role": "assistant", "content": [{"thinking": "hm"}, {"text": "Hi all"}]},
                "finish_reason": "COMPLETE",
                "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}},
            },
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.headers = dict(request.headers)
        if request.method == "GET":
            return web.json_response({"data": [{"id": "small"}, {"id": "large"}]})
        body = await request.json()
        self.asked.append({"path": request.raw_path, **body})
        match body.get("inputs"):
            case "busy":
                return web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "7"})
            case "wrong":
                return web.json_response({"error": f"no {SECRET}"}, status=422)
            case "error":
                return web.json_response({"error": {"message": f"{SECRET} ran out of memory"}})
            case "pieces":
                response = web.StreamResponse(status=400)
                await response.prepare(request)
                for piece in (b'{"error": "too many ', b'tokens"}'):
                    await response.write(piece)
                    await asyncio.sleep(0.05)  # else they may come as one
                return response
            case "odd":
                return web.json_response([1])
        if request.path == "/generate_stream":
            return await self._tokens(request, body["inputs"])
        if body.get("stream"):
            return await (_events if request.path == "/v2/chat" else _lines)(request)
        return web.json_response(self.answers[request.path])

    async def _tokens(self, request: web.Request, prompt: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b': hello\r\n\r\ndata:{"token": {"text": "Hi "}, "details": null}\r\n\r\n')
        match prompt:
            case "dies":
                assert request.transport
                request.transport.abort()
            case "ends":
                pass
            case "fails":
                await response.write(b'event: error\ndata: {"error": "out of memory"}\n\n')
            case "huge":
                await response.write(b"data: 0123456789\n" * 200)
            case "empty":
                await response.write(b"data:\n" * 1000)
            case "garbage":
                await response.write(b"data: <html>\n\n")
            case "slow":
                try:
                    while True:
                        await asyncio.sleep(0.01)
                        await response.write(b'data:{"token": {"text": "."}}\n\n')
                finally:
                    self.left.set()
            case _:
                await response.write(b'data: {"token":\ndata: {"text": "all"}, "details": ')
                await response.write(b'{"generated_tokens": 2, "finish_reason": "length"}}\n\n')
        return response


async def _events(request: web.Request) -> web.StreamResponse:
    pieces: list[Any] = [
        {"type": "message-start", "delta": {"usage": {"tokens": {"input_tokens": 3}}}},
        *[{"delta": {"message": {"content": {"text": text}}}} for text in ("Hi ", "all")],
        {"delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"output_tokens": 2}}}},
    ]
    said = "".join([f"event: x\ndata: {json.dumps(piece)}\n\n" for piece in pieces])
    return web.Response(text=f"{said}data: [DONE]\n\n", content_type="text/event-stream")


async def _lines(request: web.Request) -> web.StreamResponse:
    pieces = [{"content": text, "stop": not text} for text in ("Hi ", "all", "")]
    return web.Response(text="".join([json.dumps(piece) + "\n" for piece in pieces]))


@asynccontextmanager
async def api(methods: Block, **config: Any) -> AsyncIterator[tuple[FakeAPI, RestLLMProvider]]:
    fake, app = FakeAPI(), web.Application()
    app.router.add_route("*", "/{path:.*}", fake.answer)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider = made(methods, url=f"http://127.0.0.1:{runner.addresses[0][1]}", **config)
    try:
        yield fake, provider
    finally:
        await provider.on_disconnected()
        await runner.cleanup()


def made(methods: Any, **config: Any) -> RestLLMProvider:
    """As the daemon makes it from a block of the config file."""
    known = {"url": "http://127.0.0.1:9", "methods": methods, **config}
    provider = build(RestLLMProvider, known, Launch("rest", "rest", "http://localhost:8000"), [])
    assert isinstance(provider, RestLLMProvider)
    return provider


async def test_a_template_is_filled_with_types_and_without_what_was_not_given() -> None:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with api(TGI, headers=headers) as (fake, provider):
        answer = await provider.invoke("generate", prompt="Hi", max_tokens=5, options={"top_p": 0.5})

    usage = {"input_tokens": 0, "output_tokens": 2}
    assert answer == {"text": "Hi all", "model": "", "usage": usage, "finish_reason": "length"}
    parameters = {"max_new_tokens": 5, "top_p": 0.5, "details": True}
    assert fake.asked == [{"path": "/generate", "inputs": "Hi", "parameters": parameters}]
    assert fake.headers["Authorization"] == f"Bearer {SECRET}"


async def test_a_conversation_and_parts_of_a_text() -> None:
    messages = [{"role": "user", "content": "Hi"}]
    async with api(COHERE, default_model="small") as (fake, provider):
        answer = await provider.invoke("chat", messages=messages)
        prompted = [item async for item in provider.stream("Hi", system="Be short")]

    usage = {"input_tokens": 3, "output_tokens": 2}
    message = {"role": "assistant", "content": "Hi all"}
    assert answer == {"message": message, "model": "small", "usage": usage, "finish_reason": "COMPLETE"}
    assert fake.asked[0] == {"path": "/v2/chat", "model": "small", "messages": messages}
    assert fake.asked[1]["messages"] == [{"role": "system", "content": "Be short"}, *messages]
    assert [item["token"] for item in prompted] == ["Hi ", "all", ""]
    end = {"token": "", "done": True, "model": "small", "usage": usage, "finish_reason": "COMPLETE"}
    assert prompted[-1] == end


async def test_tokens_come_by_sse_and_by_lines() -> None:
    async with api(TGI) as (_, tgi), api(NATIVE, default_model="a/b") as (fake, native):
        events = [item async for item in tgi.stream("Hi")]
        lines = [item async for item in native.stream("Hi", system="Be short")]

    assert [item["token"] for item in events] == ["Hi ", "all", ""]
    assert events[-1]["usage"] == {"input_tokens": 0, "output_tokens": 2}
    assert [item["token"] for item in lines] == ["Hi ", "all", ""]
    assert [item["done"] for item in lines] == [False, False, True]
    assert fake.asked[0]["path"] == "/api/a%2Fb/completion"
    assert fake.asked[0]["prompt"] == "### Be short\nHi {}"


async def test_texts_become_vectors() -> None:
    async with api(TGI) as (fake, provider):
        many = await provider.invoke("embed", input=["a", "b"])
        fake.answers["/embed"] = [0.5, 1.5]
        one = await provider.invoke("embed", input="a")
        with pytest.raises(CallError, match="without a vector for each text"):
            await provider.invoke("embed", input=["a", "b"])

    assert many == {
        "embeddings": [[0.5], [1.5]],
        "model": "",
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    assert one["embeddings"] == [[0.5, 1.5]]
    assert fake.asked[1]["inputs"] == ["a"]


async def test_only_what_is_described_is_offered() -> None:
    async with api(COHERE) as (_, provider), serving(provider) as client:
        (told,) = await client.providers()
        with pytest.raises(Exception, match=r'no method "generate".*: it has chat, stream'):
            await client.invoke("rest", "generate", prompt="Hi")
        with pytest.raises(Exception, match='no method "embed"'):
            await client.invoke("rest", "embed", input="Hi")

    assert [tool["name"] for tool in await provider.get_tools()] == ["chat", "stream"]
    assert provider.capabilities == told["capabilities"] == ["chat", "streaming"]


async def test_models_are_listed_and_health_is_asked_for() -> None:
    listed = {"path": "/v1/models", "names": "data[*].id"}
    async with api(TGI, model_list=listed) as (_, provider):
        assert await provider.discover_models() == ["small", "large"]
        assert await provider.get_health_status() == {"healthy": True, "metrics": {"models": 2}}
    async with api(TGI, health="/health") as (_, provider):
        assert await provider.get_health_status() == {"healthy": True}
    down = made(TGI, health="/health")
    assert (await down.get_health_status())["status"] == "degraded"
    await down.on_disconnected()


@pytest.mark.parametrize(
    ("prompt", "kind", "words"),
    [
        ("busy", RateLimited, "slow down"),
        ("wrong", InvalidRequest, r"422: no \*{8}"),
        ("error", Unavailable, r"rest: \*{8} ran out of memory"),
        ("odd", CallError, "without a text where `text` points"),
    ],
)
async def test_a_refusal_is_told_by_its_class(prompt: str, kind: type[CallError], words: str) -> None:
    async with api(TGI, headers={"Authorization": f"Bearer {SECRET}"}) as (_, provider):
        with pytest.raises(kind, match=words):
            await provider.invoke("generate", prompt=prompt)


@pytest.mark.parametrize(
    ("prompt", "kind", "words"),
    [
        ("dies", Unavailable, "no rest at"),
        ("ends", Unavailable, "before it was done"),
        ("fails", Unavailable, "out of memory"),
        ("garbage", CallError, "not JSON"),
        ("huge", CallError, "an event of more than 1,000 bytes"),
        ("empty", CallError, "an event of more than 1,000 bytes"),
    ],
)
async def test_a_stream_that_breaks_is_never_taken_for_a_whole_one(
    prompt: str, kind: type[CallError], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "LONGEST_LINE", 1000)
    async with api(TGI) as (_, provider):
        with pytest.raises(kind, match=words):
            async for _ in provider.stream(prompt):
                pass


async def test_a_refusal_that_comes_in_pieces_is_read_whole() -> None:
    async with api(TGI) as (_, provider):
        with pytest.raises(ContextTooLong, match=r"400: too many tokens$"):
            await provider.invoke("generate", prompt="pieces")


async def test_a_key_in_a_path_is_not_told_when_the_server_talks_nonsense() -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"nonsense\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        methods = {"generate": {**TGI["generate"], "path": f"/generate?key={SECRET}"}}
        provider = made(methods, url=f"http://127.0.0.1:{port}")
        with pytest.raises(Unavailable, match="Bad status line") as told:
            await provider.invoke("generate", prompt="Hi")
        await provider.on_disconnected()
    assert SECRET not in told.value.message


async def test_a_caller_that_leaves_ends_the_work_of_the_server() -> None:
    async with api(TGI) as (fake, provider), serving(provider) as client:
        async with client.stream("rest", "stream", prompt="slow") as items:
            await anext(aiter(items))
        await asyncio.wait_for(fake.left.wait(), 5)


@pytest.mark.parametrize(
    ("method", "args", "words"),
    [
        (
            "generate",
            {"prompt": "Hi", "system": "Be short"},
            '"generate" of "rest" takes no system',
        ),
        ("generate", {"prompt": "Hi", "options": {"seed": 1}}, r"takes no seed.* prompt, temperature, top_p"),
        ("chat", {"messages": []}, "say which model"),
        ("chat", {"messages": [], "model": ".."}, "is no name of a model"),
    ],
)
async def test_an_argument_that_would_not_be_sent_is_refused(method: str, args: Block, words: str) -> None:
    async with api(EVERYTHING) as (fake, provider):
        with pytest.raises(InvalidRequest, match=words):
            await provider.invoke(method, **args)

    assert fake.asked == []


def _with(**changes: Any) -> Block:
    return {"generate": {"path": "/x", "body": {"prompt": "{prompt}"}, "text": "text"} | changes}


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({}, r"config\.methods has none of generate, chat"),
        ({"generat": {}}, r"config\.methods\.generat"),
        ({"generate": {"path": "/x", "body": {}}}, r"config\.methods\.generate\.text is missing"),
        (_with(txt="a"), r"config\.methods\.generate\.txt"),
        (_with(done="a"), r"config\.methods\.generate\.done"),
        (_with(path="x"), r'config\.methods\.generate\.path: "x" does not begin with /'),
        (_with(path="/{prompt}"), r"config\.methods\.generate\.path: \{prompt\} belongs into the body"),
        (_with(body={}), r'config\.methods\.generate\.body: .* put "\{prompt\}" or "\{messages\}"'),
        (
            _with(body={"a": [{"b": "{promt}"}]}),
            r"body\.a\[0\]\.b: .* \(did you mean \{prompt\}\?\)",
        ),
        (_with(body={"a": "{prompt} {"}), r"generate\.body\.a: .* write \{\{ for a brace"),
        (_with(text="a..b"), r"config\.methods\.generate\.text: 'a\.\.b' is no path"),
        (_with(text="a[0]b"), "is no path"),
        (_with(text=""), "is no path"),
    ],
)
def test_a_description_that_cannot_be_meant_is_told_at_the_start(methods: Block, words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        made(methods)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"url": "localhost"}, r"config\.url is"),
        ({"url": f"http://localhost?key={SECRET}"}, "the URL of rest is no plain URL"),
        ({"url": f"http://{'long' * 20}.example"}, "the URL of rest is no plain URL"),
        ({"health": "health"}, r"config\.health"),
        ({"error": "a b"}, r"config\.error"),
        ({"model_list": {"path": "/m", "names": "]"}}, r"config\.model_list\.names"),
        ({"headers": {"X-Key": f"{SECRET}\n"}}, 'the header "X-Key" of rest is more than one line'),
    ],
)
def test_other_settings_are_checked_likewise(config: Block, words: str) -> None:
    with pytest.raises(Misconfigured, match=words) as told:
        made(TGI, **config)
    assert SECRET not in str(told.value)


SERVER = """
import asyncio, sys
from aiohttp import web

async def answer(request):
    body = await request.json()
    if body["inputs"] == "wait":
        print("asked", flush=True)
        await asyncio.sleep(60)
    return web.json_response({"generated_text": "Hi"})

app = web.Application()
app.router.add_post("/generate", answer)

async def main():
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def _server(port: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, str(port), stdout=subprocess.PIPE, limit=1000
    )


async def test_a_server_that_is_killed_under_a_call_is_unavailable_until_it_is_back() -> None:
    server = await _server(0)
    assert server.stdout
    port = int(await asyncio.wait_for(server.stdout.readline(), 10))
    provider = made(TGI, url=f"http://me:password@127.0.0.1:{port}")
    try:
        call = asyncio.create_task(provider.invoke("generate", prompt="wait"))
        await asyncio.wait_for(server.stdout.readline(), 10)
        server.send_signal(signal.SIGKILL)
        with pytest.raises(Unavailable, match=rf"no rest at http://127\.0\.0\.1:{port}: "):
            await asyncio.wait_for(call, 10)
        await server.wait()
        with pytest.raises(Unavailable, match="no rest at"):
            await provider.invoke("generate", prompt="Hi")
        server = await _server(port)
        assert server.stdout
        await asyncio.wait_for(server.stdout.readline(), 10)
        assert (await provider.invoke("generate", prompt="Hi"))["text"] == "Hi"
    finally:
        await provider.on_disconnected()
        with suppress(ProcessLookupError):
            server.kill()
        await server.wait()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=calls(RestLLMProvider, ["busy", "wrong", "error", "odd", "dies", "ends", "garbage", "small"]))
async def test_whatever_it_is_asked_it_answers_or_refuses(call: Call) -> None:
    async with api(EVERYTHING) as (_, provider):
        await answered(provider, call)


def test_the_examples_of_its_page_can_be_made() -> None:
    page = (Path(__file__).parents[2] / "docs/providers/rest_llm.md").read_text()
    for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL):
        for spec in YAML(typ="safe").load(block)["providers"].values():
            made(**spec["config"])

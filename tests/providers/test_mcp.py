"""MCP servers as providers: decent ones of both eras, and one that does what none should."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings

from gleitzeit_extensions import CallError, SocketIOProviderClient
from gleitzeit_extensions.client import Client, Unavailable
from gleitzeit_extensions.exceptions import ExtensionServiceError
from gleitzeit_extensions.methods import public_methods
from gleitzeit_extensions.testing import serving
from providers import mcp_keeper, mcp_provider, mcp_stdio
from providers.mcp_keeper import words_of
from providers.mcp_lines import Lines, TooLong
from providers.mcp_provider import READERS, MCPProvider
from providers.mcp_stdio import named
from tests.providers.fuzz import answered, calls

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent
RUDE = [sys.executable, "-SE", str(HERE / "mcp_server.py")]
PATIENCE = 10.0


def lives(process: psutil.Process) -> bool:
    """What has died may stay a zombie for as long as the machine's init takes its time."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until(ask: Callable[[], Any], what: str = "") -> None:
    deadline = time.monotonic() + PATIENCE
    while not ask():
        assert time.monotonic() < deadline, f"never came true: {what}"
        await asyncio.sleep(0.005)


@asynccontextmanager
async def serves(command: list[str], **settings: Any) -> AsyncIterator[tuple[MCPProvider, Client]]:
    provider = MCPProvider(name="mcp", command=command, **settings)
    async with serving(provider) as client:
        await until(lambda: provider.connected and provider.why_not_ready is None, "it is ready")
        yield provider, client


async def test_a_rude_server_is_of_use_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(mcp_stdio, "LARGEST_MESSAGE", 100_000)
    async with serves(RUDE) as (provider, client):

        async def call(name: str, /, **args: Any) -> Any:
            return await asyncio.wait_for(client.invoke("mcp", name, **args), PATIENCE)

        tools = {tool["name"]: tool for tool in await provider.get_tools()}
        assert tools["echo"]["parameters"]["properties"] == {"text": {"type": "string"}}
        assert (tools["echo"]["idempotent"], tools["fails"]["idempotent"]) == (True, False)
        assert "_hidden" not in tools
        assert "list_resources" not in tools, "it has no resources"
        assert tools["list_prompts"]["description"] == "It does list_prompts.", "a tool takes our place"
        assert "get_prompt" in tools
        assert provider.metadata["mcp"] == {"protocol": "2025-11-25", "server": "rude", "version": "1"}

        odd = {"method": "GET", "self": 1, "id": 2, "name": "x"}
        assert json.loads(await call("echo", **odd)) == odd
        assert await call("structured") == {"n": 1}
        assert await call("blocks") == [{"type": "image", "data": "AAAA", "mimeType": "image/png"}]
        assert await call("junk") == "after junk"
        assert await call("flood") == "after a flood"
        assert await call("ask") == "Sampling not supported"
        assert await call("half") == "cut in h?lf"
        for name, code, words in (
            ("fails", "provider_error", "no such city"),
            ("wrong", "invalid_request", "text is too short"),
            ("malformed", "provider_error", "cannot be used"),
            ("nested", "provider_error", "no message"),
            ("huge", "too_large", "more than 100,000 bytes"),
            ("nonsense", "not_found.method", "it has"),
        ):
            with pytest.raises(CallError, match=words) as told:
                await call(name)
            assert told.value.code == code
        with pytest.raises(CallError, match="UTF-8"):
            await call("echo", text="\ud800")
        for depth in range(250, 256):
            with suppress(CallError):
                await call("echo", text=nested(depth))
        with pytest.raises(CallError, match="too deep") as told:
            await call("echo", text=nested(900))
        assert told.value.code == "invalid_request"

        assert await call("change") == "changed"
        await until(lambda: "later" in mcp_provider_tools(provider), "the new tool is known")
        await until_called(client, "later")

        started = [psutil.Process(int(await call(name))) for name in ("pid", "spawn")]
        assert await provider.get_health_status() == {"healthy": True, "metrics": {"running": 0}}

    await until(lambda: not any(map(lives, started)), "nothing is left")
    assert "the server is here" in capfd.readouterr().err
    assert caplog.text.count("'Listening...'") == 1
    assert "[1, 2" not in caplog.text, "what looks like data is not logged"


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def mcp_provider_tools(provider: MCPProvider) -> set[str]:
    from gleitzeit_extensions.registration import methods_of

    return set(methods_of(provider))


async def until_called(client: Client, name: str) -> None:
    """The hub has heard of the method."""
    await asyncio.wait_for(client.invoke("mcp", name), PATIENCE)


async def test_a_call_that_nobody_waits_for_is_cancelled_at_the_server() -> None:
    async with serves(RUDE) as (_, client):

        async def until_cancelled(number: int) -> None:
            async with asyncio.timeout(PATIENCE):
                while int(await client.invoke("mcp", "cancelled")) < number:
                    pass

        async with client.stream("mcp", "hang") as items:
            assert await anext(aiter(items)) == {"progress": 0.5, "done": False}
        await until_cancelled(1)
        with pytest.raises(CallError, match="no answer within"):
            await client.with_options(timeout=0.05).invoke("mcp", "hang")
        await until_cancelled(2)


async def test_a_server_that_dies_fails_its_calls_at_once_and_ends_the_provider() -> None:
    async def dies() -> None:
        async with serves(RUDE) as (_, client), client.stream("mcp", "hang") as items:
            await anext(aiter(items))
            await client.invoke("mcp", "spawn")  # who holds the server's stdout when it is dead
            began = time.monotonic()
            for answer in (client.invoke("mcp", "die"), anext(aiter(items))):
                with pytest.raises(CallError, match="was killed by SIGKILL") as told:
                    await asyncio.wait_for(answer, PATIENCE)
                assert told.value.code == "unavailable"
            assert time.monotonic() - began < 2

    with pytest.raises(ExtensionServiceError, match=r'"python\S*" was killed by SIGKILL'):
        await dies()


@pytest.mark.parametrize(
    ("mode", "words"), [("exits", "ended with status 3"), ("chatters", "writes to its stdout what is no MCP")]
)
async def test_what_is_no_server_ends_the_provider_with_a_sentence(
    mode: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_stdio, "END_WITHIN", 0.2)
    with pytest.raises(ExtensionServiceError, match=words):
        async with asyncio.timeout(PATIENCE):
            await MCPProvider(name="mcp", command=[*RUDE, mode], server_url="http://127.0.0.1:9").run()


async def test_a_server_that_never_answers_is_named_as_what_is_waited_for() -> None:
    provider = MCPProvider(name="mcp", command=[*RUDE, "silent"])
    async with serving(provider):
        assert provider.why_not_ready
        assert '"python' in provider.why_not_ready
        assert "has not answered yet" in provider.why_not_ready


async def test_a_server_that_will_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_stdio, "END_WITHIN", 0.2)
    async with serves([*RUDE, "stubborn"]) as (_, client):
        server = psutil.Process(int(await client.invoke("mcp", "pid")))
    assert not server.is_running()


async def test_a_server_that_answers_nothing_is_not_healthy_unless_it_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_provider, "HEALTH_WITHIN", 0.05)
    async with serves(RUDE) as (provider, client):
        server = psutil.Process(int(await client.invoke("mcp", "pid")))
        server.suspend()
        health = await provider.get_health_status()
        calling = asyncio.create_task(client.invoke("mcp", "pid"))
        await until(lambda: provider._running, "a call runs")
        busy = await provider.get_health_status()
        server.resume()
        await calling

    assert health["healthy"] is False
    assert "did not answer a ping" in health["error"]
    assert busy == {"healthy": True, "metrics": {"running": 1}}


async def test_a_server_of_2026_with_progress_prompts_resources_and_other_tools_later(
    tmp_path: Path,
) -> None:
    script = tmp_path / "modern.py"
    script.write_text(MODERN)
    async with serves([sys.executable, str(script)], env={"GREETING": "hello"}) as (provider, client):
        assert provider.metadata["mcp"]["protocol"] == "2026-07-28"
        items = [item async for item in client.stream("mcp", "count", to=2)]
        assert items == [
            {"progress": 1.0, "total": 2.0, "message": "step", "done": False},
            {"progress": 2.0, "total": 2.0, "message": "step", "done": False},
            {"result": {"result": "hello"}, "done": True},
        ]
        (found,) = (await client.invoke("mcp", "list_resources"))["resources"]
        assert (await client.invoke("mcp", "read_resource", uri=found["uri"]))["contents"][0][
            "text"
        ] == "word"
        (prompt,) = (await client.invoke("mcp", "list_prompts"))["prompts"]
        filled = await client.invoke("mcp", "get_prompt", name=prompt["name"], arguments={"whom": "you"})
        assert filled["messages"][0]["content"]["text"] == "greet you"
        with pytest.raises(CallError, match="server-initiated"):
            await client.invoke("mcp", "ask")
        with pytest.raises(CallError):
            await client.invoke("mcp", "read_resource", uri="word://none")
        assert (await provider.get_health_status())["healthy"] is True

        await client.invoke("mcp", "grow")
        await until(lambda: "late" in mcp_provider_tools(provider), "the new tool is known")

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
        @given(call=calls(provider, words=["word://one", "greet"]))
        def fuzz(call: Any) -> None:
            asked.append(call)

        asked: list[Any] = []
        await asyncio.to_thread(fuzz)
        for call in asked:
            await asyncio.wait_for(answered(provider, call), PATIENCE)


MODERN = """
import logging, os
from mcp.server.mcpserver import Context, MCPServer
from pydantic import BaseModel

logging.disable()
server = MCPServer("modern")

class Name(BaseModel):
    name: str

@server.tool()
async def count(to: int, ctx: Context) -> str:
    for number in range(min(to, 100)):
        await ctx.report_progress(number + 1, to, "step")
    return os.environ["GREETING"]

@server.tool()
async def take(words: list[str], table: dict[str, float], either: int | str | None = None) -> int:
    return len(words)

@server.tool()
async def ask(ctx: Context) -> str:
    return str(await ctx.elicit("who?", Name))

@server.tool()
async def grow(ctx: Context) -> str:
    async def late() -> str:
        return "late"
    server.add_tool(late)
    await ctx.notify_tools_changed()
    return "grown"

@server.resource("word://one")
def one() -> str:
    return "word"

@server.prompt()
def greet(whom: str) -> str:
    return f"greet {whom}"

server.run("stdio")
"""


class Site:
    """A server at a URL which is whatever the test makes of it."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, Any]] = []
        self.parts = asyncio.Event()
        self.parts.set()
        self.encodings: set[str | None] = set()
        self.session = "first"
        self.forgotten: Callable[[], web.Response] = web.Response
        """What a session that it does not know is answered with."""
        self.speaks = asyncio.Event()
        self.speaks.set()

    @property
    def sessions(self) -> int:
        return [method for method, _ in self.asked].count("initialize")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            await self.parts.wait()
        if request.method != "POST":
            return web.Response(status=405)
        asked = await request.json()
        self.asked.append((asked["method"], request.headers.get("Authorization")))
        if self.status != 200:
            return web.Response(status=self.status)
        self.encodings.add(request.headers.get("Accept-Encoding"))
        await self.speaks.wait()
        session = request.headers.get("mcp-session-id", self.session)
        if asked["method"] != "initialize" and session != self.session:
            return self.forgotten()
        if "id" not in asked:
            return web.Response(status=202)
        match asked["method"]:
            case "initialize":
                about = {"serverInfo": {"name": "site", "version": "1"}, "capabilities": {"tools": {}}}
                result: dict[str, Any] = {**about, "protocolVersion": "2025-11-25"}
            case "tools/list":
                result = {
                    "tools": [
                        {"name": name, "inputSchema": {"type": "object"}}
                        for name in ("echo", "huge", "bomb", "events", "dies")
                    ]
                }
            case "tools/call" if asked["params"]["name"] == "dies":
                assert request.transport
                request.transport.abort()
                return web.Response()
            case "tools/call":
                words = "hello" if asked["params"]["name"] == "echo" else "x" * 300_000
                result = {"content": [{"type": "text", "text": words}]}
            case _:
                error = {"code": -32601, "message": "no such method"}
                return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "error": error})
        response = web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result})
        if asked["method"] == "initialize":
            response.headers["mcp-session-id"] = self.session
        if asked.get("params", {}).get("name") == "events":
            response = web.Response(text=f"data: {response.text}\n\n", content_type="text/event-stream")
        if asked.get("params", {}).get("name") in ("bomb", "events"):
            response.enable_compression(web.ContentCoding.gzip)
        return response


@asynccontextmanager
async def a_site(port: int = 0) -> AsyncIterator[tuple[Site, int]]:
    site, app = Site(), web.Application()
    app.router.add_route("*", "/mcp", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        yield site, runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_server_at_a_url_is_met_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp_http_module(), "LARGEST_MESSAGE", 100_000)
    async with a_site() as (site, port):
        url = f"http://127.0.0.1:{port}/mcp?key=hidden"
        provider = MCPProvider(name="mcp", url=url, token="secret")
        async with serving(provider) as client:
            assert await asyncio.wait_for(client.invoke("mcp", "echo"), PATIENCE) == "hello"
            assert site.asked[0][1] == "Bearer secret"
            with pytest.raises(CallError, match="more than 100,000 bytes"):
                await client.invoke("mcp", "huge")
            with pytest.raises(CallError, match="compressed"):
                await client.invoke("mcp", "bomb")
            assert site.encodings == {"identity"}
            for tool in ("events", "dies"):
                with pytest.raises(Unavailable):
                    await client.invoke("mcp", tool)
                await met_again(client)

            site.status = 401
            with suppress(CallError):
                await client.invoke("mcp", "dies")
            await until(lambda: "401" in (provider.why_not_ready or ""), "the refusal is told")
            assert "hidden" not in str(provider.why_not_ready)
            assert "secret" not in str(provider.why_not_ready)
            site.status = 200
            assert await asyncio.wait_for(client.invoke("mcp", "echo"), PATIENCE) == "hello"


async def met_again(client: Client) -> None:
    """A call may still reach the provider before the hub has heard that its server is lost."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(Unavailable):
                assert await client.invoke("mcp", "echo") == "hello"
                return


def not_found() -> web.Response:
    return web.Response(status=404)


def no_session() -> web.Response:
    """As the servers do that were written after the examples of the TypeScript SDK."""
    error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
    return web.json_response({"jsonrpc": "2.0", "id": None, "error": error}, status=400)


@pytest.mark.parametrize("forgotten", [not_found, no_session])
async def test_a_server_that_has_forgotten_its_sessions_is_given_another_one(
    forgotten: Callable[[], web.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_http_module(), "LEAVES_WITHIN", 0.3)
    async with a_site() as (site, port):
        provider = MCPProvider(name="mcp", url=f"http://127.0.0.1:{port}/mcp")
        async with serving(provider) as client:
            assert await asyncio.wait_for(client.invoke("mcp", "echo"), PATIENCE) == "hello"
            site.session, site.forgotten = "second", forgotten
            site.parts.clear()
            with pytest.raises(CallError) as told:
                await client.invoke("mcp", "echo")
            assert told.value.code == "unavailable"
            await until(lambda: "ended the" in (provider.why_not_ready or ""), "it is told")
            await met_again(client)
            site.parts.set()
            site.session = "third"
            await provider.get_health_status()
            await until(lambda: site.sessions == 3, "it is told by its health, too")


async def test_a_server_that_accepts_and_never_answers_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mcp_keeper, "ANSWERS_WITHIN", 0.1)
    async with a_site() as (site, port):
        site.speaks.clear()
        provider = MCPProvider(name="mcp", url=f"http://127.0.0.1:{port}/mcp")
        async with serving(provider) as client:
            await until(lambda: "answers nothing" in (provider.why_not_ready or ""), "it is told")
            site.speaks.set()
            assert await asyncio.wait_for(client.invoke("mcp", "echo"), PATIENCE) == "hello"


def mcp_http_module() -> Any:
    from providers import mcp_http

    return mcp_http


@pytest.mark.parametrize(
    ("given_settings", "words"),
    [
        ({}, "say either"),
        ({"command": ["true"], "url": "http://x/mcp"}, "say either"),
        ({"command": ["no-such-program"]}, "no program"),
        ({"command": ["true"], "cwd": "/nonexistent"}, "no directory"),
        ({"url": "localhost:3001"}, "write it like"),
    ],
)
def test_settings_that_cannot_be_are_refused_at_the_start(given_settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MCPProvider(name="mcp", **given_settings)


def test_lines_are_the_same_however_they_are_cut_and_long_ones_are_not_kept() -> None:
    text = (
        b'one\n\n{"result":"'
        + b"x" * 500
        + b'","id":7}\ntwo\n{"jsonrpc":"2.0","id":8,"result":"'
        + b"x" * 500
    )
    text += b'"}\n{"result":{"id":9},"x":"' + b"x" * 500 + b'"}\nlast\nrest'
    for size in (1, 7, 100, 5000):
        lines = Lines(400)
        cut = [line for at in range(0, len(text), size) for line in lines.cut(text[at : at + size])]
        short = [line for line in cut if isinstance(line, bytes)]
        assert short == [b"one", b"", b"two", b"last"]
        assert [line.id for line in cut if isinstance(line, TooLong)] == [7, 8, None]


def test_what_names_a_server_shows_no_secret() -> None:
    assert named(["/usr/bin/npx", "-y", "some-server", "--key", "secret"]) == "npx some-server"
    assert named(["sh", "-c", "KEY=secret exec server"]) == "sh"
    assert named(["env", "KEY=secret", "server"]) == "env server"
    assert named(["server", "--key", "secret"]) == "server"
    assert named(["server", "-k", "secret"]) == "server"
    assert named(["uvx", "git+https://token@host/repository"]) == "uvx"
    assert named(["python3", "-m", "server", "secret"]) == "python3 server"
    url = "http://user:secret@host:1/mcp?key=secret#secret"
    assert MCPProvider(name="mcp", url=url).description == "The MCP server at http://host:1/mcp"
    with pytest.raises(ValueError, match="write it like") as told:
        MCPProvider(name="mcp", url="host/mcp?key=secret")
    assert "secret" not in str(told.value)
    redirect = RuntimeError("Redirect to http://user:secret@host/mcp/?key=secret not followed")
    assert words_of(redirect) == "cannot be used: Redirect to http://host/mcp/ not followed"


def test_only_what_reads_from_the_server_is_a_method_of_the_class() -> None:
    declared = public_methods(MCPProvider, SocketIOProviderClient)
    assert set(declared) == {name for names in READERS.values() for name in names}


async def test_a_provider_that_is_not_connected_is_unavailable() -> None:
    with pytest.raises(CallError, match="is not connected") as told:
        await MCPProvider(name="mcp", url="http://127.0.0.1:9/mcp").invoke("list_prompts")
    assert told.value.code == "unavailable"

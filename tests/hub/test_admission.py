"""Who is let in, who is sent away, and what each may do with the token that they have."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import anyio
import pytest
import socketio
from aiohttp import web
from structlog.testing import capture_logs

from gleitzeit_extensions.protocol import CLIENTS, PING_INTERVAL, PING_TIMEOUT, PROVIDERS, CallError
from gleitzeitd.hub import directory
from gleitzeitd.hub.access import crowd, idle, refusals
from gleitzeitd.hub.access.admission import bearer_of
from gleitzeitd.hub.access.door import Door
from gleitzeitd.hub.access.entrance import Terms
from gleitzeitd.hub.access.scopes import Scope
from gleitzeitd.hub.access.tokens import Grant, digest
from tests.hub.peers import LOCAL, Peer, Site, site, spec, until
from tests.hub.raw import Raw, no_mistake_of_ours, nothing_is_left, raw

pytestmark = pytest.mark.anyio


def admit(
    s: Site, token: str, *scopes: str, rate: float | None = None, expires: float | None = None
) -> Grant:
    """A named token that the hub knows from now on."""
    grant = Grant(name=token, scopes=tuple(map(Scope.read, scopes)), rate=rate, expires=expires)
    s.hub.registry.tokens.add(grant, digest(token))
    return grant


def turned_away(s: Site) -> dict[str, int]:
    return dict(s.hub.meter.refusals())


async def refusal(peer: Peer, number: str = "1", provider: str = "tool") -> CallError:
    await peer.ask(number, provider=provider, timeout=5)
    with pytest.raises(CallError) as caught:
        await peer.answer()
    return caught.value


# What a token allows.


async def test_the_log_says_whose_token_is_refused_and_not_the_token() -> None:
    async with site() as s:
        for name in ("ci", "lab"):
            tokens = s.hub.registry.tokens
            tokens.add(Grant(name=name, scopes=(Scope.read("invoke:none"),)), digest(f"{name}'s secret"))
        with capture_logs() as logs:
            for name in ("ci", "lab"):
                await refusal(await s.peer(CLIENTS, f"{name}'s secret"))
                with pytest.raises(socketio.exceptions.ConnectionError):
                    await s.peer(PROVIDERS, f"{name}'s secret")
            with pytest.raises(socketio.exceptions.ConnectionError):
                await s.peer(CLIENTS, "a stranger's")
    told = [(line["by"], line["code"], line["times"]) for line in logs if line["event"] == "refused"]
    assert told == [
        ("token:ci", "forbidden", 1),
        ("token:lab", "forbidden", 1),
        ("unknown", "unauthenticated", 1),
    ]
    assert "secret" not in str(logs)


async def test_a_token_calls_what_its_scope_names_and_nothing_else() -> None:
    async with site() as s:
        admit(s, "ci", "invoke:to*", "observe")
        tool = await s.provider("tool")
        await s.provider("other")
        caller = await s.peer(CLIENTS, "ci")

        await caller.ask()
        await tool.reply(7)
        assert await caller.answer() == 7

        error = await refusal(caller, "2", "other")
        assert (error.code, error.message) == (
            "forbidden",
            'this token may not call "other": it needs the scope invoke:other',
        )


async def test_a_revoked_token_ends_its_requests_at_once() -> None:
    """One that follows the log would else go on for ever."""
    asked, ended = anyio.Event(), anyio.Event()

    async def follow(request: web.Request) -> web.Response:
        assert bearer_of(request)
        try:
            asked.set()
            await anyio.sleep_forever()
        finally:
            ended.set()
        return web.Response()

    app = web.Application()
    app.router.add_get("/v1/logs", follow)
    async with site(app=app) as s:
        grant = admit(s, "ci", "observe")
        reader, writer = await asyncio.open_connection("127.0.0.1", s.port)
        writer.write(b"GET /v1/logs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ci\r\n\r\n")
        await asked.wait()

        s.hub.registry.tokens.revoke(grant)
        s.hub.revoked(grant)

        with anyio.fail_after(10):
            await ended.wait()
            assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize(
    ("scope", "namespace", "missing"),
    [("provide:*", CLIENTS, "invoke:NAME"), ("invoke:*", PROVIDERS, "provide:NAME")],
)
async def test_a_token_gets_no_connection_that_is_of_no_use(scope: str, namespace: str, missing: str) -> None:
    async with site() as s:
        admit(s, "ci", scope, "observe")
        with pytest.raises(socketio.exceptions.ConnectionError):
            await s.peer(namespace, "ci")
    assert [refused["message"] for refused in s.refusals] == [f"this token has no scope {missing}"]


async def test_an_expired_token_is_refused_with_the_time() -> None:
    async with site() as s:
        admit(s, "ci", "invoke:*", expires=0.0)
        with pytest.raises(socketio.exceptions.ConnectionError):
            await s.peer(CLIENTS, "ci")
    (refused,) = s.refusals
    assert refused["data"]["code"] == "unauthenticated"
    assert refused["message"].startswith('the token "ci" was good until 1970-01-01')


async def test_all_connections_of_a_token_share_its_rate() -> None:
    async with site() as s:
        admit(s, "ci", "invoke:*", rate=0.001)
        first, second = await s.peer(CLIENTS, "ci"), await s.peer(CLIENTS, "ci")
        assert (await refusal(first)).code == "not_found.provider", "the one call that it may always make"

        error = await refusal(second)

        assert (error.code, error.message) == ("rate_limited", "this token may make 0.001 calls a second")
        assert 900 < error.detail["retry_after"] <= 1000
        unlimited = await s.caller()
        assert (await refusal(unlimited)).code == "not_found.provider"


async def test_a_token_registers_only_what_its_scope_names() -> None:
    async with site() as s:
        admit(s, "gpu", "provide:llama*")
        peer = await s.peer(PROVIDERS, "gpu")
        with capture_logs() as logs:
            answer = await peer.register(name="openai")
        assert [(line["event"], line["by"]) for line in logs] == [("registration refused", "token:gpu")]
        assert (answer["ok"], answer["error"]["code"]) == (False, "forbidden")
        assert (await peer.register(name="llama-3"))["ok"]


async def test_a_provider_elsewhere_joins_the_instances_of_its_name() -> None:
    """Both get calls: the one of the daemon's own, and the external one."""
    async with site(spec()) as s:
        admit(s, "gpu", "provide:tool")
        own = await s.provider("tool")
        elsewhere = await s.peer(PROVIDERS, "gpu", tcp=True)
        assert (await elsewhere.register(name="tool"))["ok"]
        caller = await s.caller()

        await caller.ask("1")
        await caller.ask("2")
        await own.reply("own")
        await elsewhere.reply("elsewhere")

        assert {await caller.answer(), await caller.answer()} == {"own", "elsewhere"}
        assert [r.is_external for r in s.hub.registry.registrations("tool")] == [False, True]


async def test_the_token_of_this_machine_may_not_join_them_and_is_told_the_way() -> None:
    async with site(spec()) as s:
        peer = await s.peer(PROVIDERS, LOCAL)
        answer = await peer.register(name="tool")
    assert answer["error"]["code"] == "forbidden"
    assert answer["error"]["message"] == (
        '"tool" is run by this daemon: disable it, or create a token to join it with: '
        '"gleitzeitctl token create NAME --scope provide:tool"'
    )


# Whoever is sent away.


async def test_a_revoked_token_ends_its_connections_at_once() -> None:
    async with site() as s:
        grant = admit(s, "gpu", "provide:*", "invoke:*")
        provider = await s.peer(PROVIDERS, "gpu")
        assert (await provider.register(name="tool"))["ok"]
        caller, other = await s.peer(CLIENTS, "gpu"), await s.caller()
        await other.ask()
        await provider.next("invoke")

        s.hub.registry.tokens.revoke(grant)
        s.hub.revoked(grant)

        with pytest.raises(CallError, match=r"its connection was lost|it left"):
            await other.answer()
        await until(lambda: not provider.client.connected and not caller.client.connected)
        assert other.client.connected
        assert s.hub.registry.registrations() == []
        with pytest.raises(socketio.exceptions.ConnectionError):
            await s.peer(CLIENTS, "gpu")


async def test_who_shows_no_token_in_time_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as s:
        joined = await s.peer(CLIENTS, LOCAL)
        monkeypatch.setattr(crowd, "JOIN_TIME", 0.3)
        async with _websocket(s) as silent:
            with anyio.fail_after(PING_INTERVAL + PING_TIMEOUT - 1):
                while (await silent.receive()).type is aiohttp.WSMsgType.TEXT:
                    pass
        (guest,) = [guest for guest in s.hub._entrance.crowd._guests if guest.grants]
        guest.expect_token()
        assert (await refusal(joined)).code == "not_found.provider", "who has shown one stays"


async def test_who_tries_tokens_is_sent_away() -> None:
    async with site() as s, _websocket(s) as guesser:
        for number in range(crowd.MOST_JOINS + 1):
            await guesser.send_str(f'40{CLIENTS},{{"proto": 1, "token": "guess {number}"}}')
        with anyio.fail_after(PING_INTERVAL + PING_TIMEOUT - 1):
            while (await guesser.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert turned_away(s)["unauthenticated"] == crowd.MOST_JOINS


async def test_who_connects_and_asks_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "IDLE_TIME", 0.1)
    async with site() as s:
        joined = await s.peer(CLIENTS, LOCAL)
        reader, writer = await asyncio.open_connection("127.0.0.1", s.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localh")
        with anyio.fail_after(10), pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        assert (await refusal(joined)).code == "not_found.provider", "who has shown one stays"


@asynccontextmanager
async def patient(s: Site) -> AsyncIterator[Raw]:
    """A peer that answers no pings, and is not hung up on for that."""
    s.hub._sio.eio.ping_interval = 1000.0
    async with raw(s) as peer:
        yield peer


async def test_who_leaves_the_last_namespace_is_hung_up_on() -> None:
    async with site() as s, patient(s) as peer:
        with no_mistake_of_ours():
            await peer.enter(PROVIDERS)
            await peer.enter(CLIENTS)
            await peer.send(f"41{PROVIDERS},")
            await peer.send(f"41{PROVIDERS},")  # It is not in there any more.
            await peer.say(CLIENTS, "invoke", {"id": "1", "provider": "tool", "method": "add"})
            await peer.until(f"42{CLIENTS},")
            await peer.send(f"41{CLIENTS},")
            await peer.closed()
            await nothing_is_left(s, 0)


async def test_who_is_sent_away_from_the_last_namespace_is_hung_up_on() -> None:
    """Be it one that does not leave by itself."""
    async with site() as s, patient(s) as peer:
        await peer.enter(PROVIDERS)
        await peer.say(PROVIDERS, "register", {"name": "tool"}, number="1")
        await peer.until(f"43{PROVIDERS},1")
        s.hub.know(spec())
        await peer.until(f"41{PROVIDERS},")
        await peer.closed()
        await nothing_is_left(s, 0)


async def test_refusals_are_counted_and_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as s:
        with capture_logs() as logs:
            for _ in range(3):
                with pytest.raises(socketio.exceptions.ConnectionError):
                    await s.peer(CLIENTS, "gz_wrong")
            assert turned_away(s) == {"unauthenticated": 3}
            monkeypatch.setattr(refusals, "QUIET_TIME", 0.0)
            with pytest.raises(socketio.exceptions.ConnectionError):
                await s.peer(CLIENTS, "gz_wrong")
    told = [line for line in logs if line["event"] == "refused"]
    assert [(line["code"], line["times"]) for line in told] == [
        ("unauthenticated", 1),
        ("unauthenticated", 3),
    ]
    assert "gz_wrong" not in str(logs)


def test_what_a_stranger_sends_does_not_move_the_cursor_of_who_reads_the_log() -> None:
    with capture_logs() as logs:
        refusals.Refusals(lambda _: None).counted(CallError("forbidden", 'not "\x1b[2J\nü"'))
    assert logs[0]["reason"] == 'not "?[2J?ü"'


# How many.


async def test_one_connection_too_many_is_told_so() -> None:
    async with site(terms=Terms(most=2)) as s:
        for _ in range(2):
            await s.peer(CLIENTS, LOCAL, tcp=True)
        status, error = await _ask(s, "GET", "/socket.io/?EIO=4&transport=websocket")
        assert (status, error["code"], error["retryable"]) == (503, "overloaded", True)
        await s.peer(CLIENTS, LOCAL)  # who comes by the Unix socket is not kept out by them

        await s.peers[0].disconnect()

        await until(lambda: s.hub.connections()["caller"] == 2)
        await s.peer(CLIENTS, LOCAL, tcp=True)


async def test_who_asks_nothing_makes_room_when_descriptors_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as s:
        joined = await s.peer(CLIENTS, LOCAL, tcp=True)
        silent = [await asyncio.open_connection("127.0.0.1", s.port) for _ in range(4)]
        await until(lambda: len(s.hub._entrance.crowd.idle._asking) == 1)
        with monkeypatch.context() as narrow:
            narrow.setattr(Door, "_lets_in", lambda self, _: self._make_room())
            # what is left is for the control socket, so this one is turned away, and the next finds room
            with pytest.raises(socketio.exceptions.ConnectionError):
                await s.peer(CLIENTS, LOCAL, tcp=True)

        with anyio.fail_after(10):
            assert await silent[0][0].read() == b""
        for _, writer in silent:
            writer.close()
        assert (await refusal(joined)).code == "not_found.provider", "who is busy stays"


async def test_who_only_begins_to_speak_tls_is_sent_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key, pem = tmp_path / "key", tmp_path / "pem"
    words = ["-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(pem)]
    await anyio.run_process(["openssl", "req", "-x509", *words])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, key)
    monkeypatch.setattr("gleitzeitd.hub.server.JOIN_TIME", 0.1)
    async with site(terms=Terms(tls=context)) as s:
        reader, writer = await asyncio.open_connection("127.0.0.1", s.port)
        with anyio.fail_after(10):
            assert await reader.read() == b""
        writer.close()


# Web pages of others.


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://localhost:{port}", "Host": "localhost:{port}"}, True),
        ({"Origin": "http://127.0.0.1:{port}"}, True),
        ({"Host": "LOCALHOST:{port}"}, True),
        ({"Host": "[::1]:{port}"}, True),
        ({"Host": "gpu.example:{port}"}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://localhost:1"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://["}, False),
        ({"Origin": "http://evil.example:{port}", "Host": "evil.example:{port}"}, False),
        ({"Host": "evil.example"}, False),
        ({"Host": "127.0.0.1.evil.example"}, False),
        ({"Host": "[evil"}, False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_page_of_another_site_reaches_nothing(
    method: str, headers: dict[str, str], allowed: bool
) -> None:
    reached: list[str] = []

    async def reach(request: web.Request) -> web.Response:
        reached.append(request.method)
        return web.json_response({"error": {"code": "none"}})

    app = web.Application()
    app.router.add_route("*", "/v1/x", reach)
    async with site(app=app, terms=Terms(host="gpu.example")) as s:
        sent = {key: value.format(port=s.port) for key, value in headers.items()}
        for path in ("/v1/x", "/socket.io/?EIO=4&transport=polling"):
            status, error = await _ask(s, method, path, sent)
            assert (error.get("code") == "forbidden") is not allowed, (path, status, error)
    assert reached == ([method] if allowed else [])


# Who hangs up.


async def test_a_caller_who_hangs_up_cancels_the_request_and_no_websocket_is_hurt_by_that() -> None:
    ended: list[str] = []
    asked = anyio.Event()

    async def wait(_: web.Request) -> web.Response:
        try:
            asked.set()
            await anyio.sleep_forever()
        finally:
            ended.append("cancelled")
        return web.Response()

    app = web.Application()
    app.router.add_get("/v1/wait", wait)
    async with site(app=app) as s:
        external = await s.peer(PROVIDERS, LOCAL, tcp=True)
        assert (await external.register(name="tool"))["ok"]
        caller = await s.peer(CLIENTS, LOCAL, tcp=True)
        await caller.ask()
        call = await external.next("invoke")
        _, writer = await asyncio.open_connection("127.0.0.1", s.port)
        writer.write(b"GET /v1/wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asked.wait()

        writer.transport.abort()
        _abort(caller)

        await until(lambda: ended == ["cancelled"])
        # Whoever answers is told by Socket.IO, which has to find out by itself.
        assert (await external.next("cancel"))["id"] == call["id"]
        await until(lambda: s.hub.connections() == {"provider": 1, "caller": 0})
        _abort(external)
        await until(lambda: s.hub.registry.registrations() == [])
        await until(lambda: s.hub.connections() == {"provider": 0, "caller": 0})


async def test_who_hangs_up_does_not_cut_off_what_their_message_began() -> None:
    """The cancelling is for requests: a handler of Socket.IO that it met would leave things half done."""
    begun, left, ended = anyio.Event(), anyio.Event(), anyio.Event()

    async def slow(sid: str, *_: object) -> None:
        begun.set()
        await left.wait()
        ended.set()

    async with site() as s:
        s.hub._sio.on("slow", slow, namespace=CLIENTS)
        caller = await s.peer(CLIENTS, LOCAL, tcp=True)
        await caller.say("slow", {})
        await begun.wait()

        _abort(caller)

        await until(lambda: not s.hub._entrance.crowd.idle._asking)
        left.set()
        with anyio.fail_after(10):
            await ended.wait()
        await until(lambda: s.hub.connections()["caller"] == 0)


def _abort(peer: Peer) -> None:
    """As if its machine had gone."""
    peer.client.eio.ws._conn.transport.abort()


async def _ask(
    s: Site, method: str, path: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, object]]:
    """The status of the answer and its error; none has a CORS header."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{s.port}{path}", headers=headers) as answer,
    ):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        try:
            body = await answer.json(content_type=None)
        except ValueError:
            body = {}
        return answer.status, body.get("error", {}) if isinstance(body, dict) else {}


@asynccontextmanager
async def _websocket(s: Site) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A connection that has not joined anything."""
    url = f"http://127.0.0.1:{s.port}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        yield socket


# What they are told of others.


async def test_nobody_is_told_of_names_that_they_may_not_call() -> None:
    async with site(spec("tools")) as s:
        admit(s, "ci", "invoke:to*l")
        caller, friend = await s.peer(CLIENTS, "ci"), await s.caller()
        await friend.ask(target="toool")
        sentence = (await friend.failure()).message
        assert 'did you mean "tools"?' in sentence
        assert "what tools would offer is not known" in sentence
        await caller.ask(target="toool")
        error = await caller.failure()
        assert error.code == "not_found.provider"
        assert "tools" not in error.message
        await s.provider("tool")
        await caller.ask(target="toool")
        assert 'did you mean "tool"?' in (await caller.failure()).message


async def test_three_names_are_suggested_at_most() -> None:
    async with site(spec("tool")) as s:
        await s.provider("many", models=[f"tool-{number}" for number in range(9)])
        caller = await s.caller()
        await caller.ask(model="tool-x")
        assert (await caller.failure()).message.count('"tool-') == 1 + directory.CLOSE


async def test_of_very_many_names_none_is_compared() -> None:
    """It would take longer than everybody else can wait."""
    async with site(spec("tool")) as s:
        await s.provider("crowd", models=[f"tool-{number}" for number in range(directory.FEW)])
        caller = await s.caller()
        await caller.ask(target="toool")
        assert "did you mean" not in (await caller.failure()).message
        await caller.ask(provider="toool")
        assert 'did you mean "tool"?' in (await caller.failure()).message

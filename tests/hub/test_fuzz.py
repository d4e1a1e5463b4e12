"""Peers that send anything at all: nothing breaks, nobody else notices, and nothing is left of them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gleitzeit_extensions.protocol import CLIENTS, MAX_FRAME, PROVIDERS
from tests.hub.peers import LOCAL, PATIENCE, site, spec, until
from tests.hub.raw import Raw, no_mistake_of_ours, nothing_is_left, raw

pytestmark = pytest.mark.anyio

EVENTS = (
    *("register", "update", "ready", "not_ready", "invoke", "result", "chunk", "end", "credit"),
    *("cancel", "health", "drain", "bye", "error", "lingers", "connect", "disconnect", "*", ""),
)
FIELDS = (
    *("id", "seq", "d", "ok", "result", "error", "n", "name", "type", "models", "capabilities", "methods"),
    *(
        "closed",
        "ready",
        "reply",
        "metadata",
        "reason",
        "health",
        "provider",
        "model",
        "capability",
        "target",
    ),
    *("method", "args", "timeout", "idempotent", "key", "session", "stream", "credit", "code", "message"),
)
IDS = st.sampled_from(["1", "2", "3", "stranger", "tool", "add"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | IDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.sampled_from(FIELDS), VALUES | IDS, max_size=8) | VALUES
NUMBERS = st.sampled_from(["", "", "0", "1", "2", "99999999999999999999"])
NAMESPACES = st.sampled_from(
    [f"{PROVIDERS},", f"{PROVIDERS},", f"{CLIENTS},", f"{CLIENTS},", "/nowhere,", "", "/"]
)


@st.composite
def packets(draw: st.DrawFn) -> str:
    """A packet of Socket.IO whose every part may be wrong."""
    kind = draw(st.sampled_from(["2"] * 9 + ["0", "1", "3", "3", "4", "51-", "61-", "7", "x", "5", "52-"]))
    event = draw(st.sampled_from(EVENTS) | st.text(max_size=5))
    data = draw(st.lists(PAYLOADS, max_size=2))
    body = json.dumps([event, *data]) if kind not in ("0", "3") else json.dumps(draw(st.just(data) | VALUES))
    return f"4{kind}{draw(NAMESPACES)}{draw(NUMBERS)}{body}"


FRAMES = st.lists(
    packets()
    | packets()
    | packets()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from("013456b"),
    min_size=1,
    max_size=12,
)


async def let_in(peer: Raw, who: str) -> None:
    if who == "provider":
        await peer.enter(PROVIDERS)
        await peer.say(PROVIDERS, "register", {"name": "stranger"}, number="1")
        await peer.until(f"43{PROVIDERS},1")
    elif who == "caller":
        await peer.enter(CLIENTS)


@pytest.mark.parametrize("who", ["nobody", "provider", "caller"])
@settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(frames=FRAMES)
async def test_whatever_a_peer_sends_it_harms_itself_alone(who: str, frames: list[str | bytes]) -> None:
    """Seen to fail in each of these ways with python-socketio's own reading: exceptions in the log for
    garbage, for an acknowledgement 0 and for events called `connect`, and connections that stay."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("theirs")
        invoke = await provider.next("invoke")
        assert invoke["id"] == "1"
        with no_mistake_of_ours():
            async with raw(hub) as peer:
                await let_in(peer, who)
                for frame in frames:
                    await peer.send(frame)
            await nothing_is_left(hub, 2)
            # What the stranger asked of this provider is cancelled; the call from before is not.
            await until(lambda: list(hub.hub.registry.registrations("tool")[0].calls)[:1] == ["1"])
            await provider.say("result", {"id": "1", "ok": True, "result": "mine"})
            assert await caller.answer() == "mine"


GARBAGE: list[str | bytes] = [
    *("", "4", "x", "²", "7", "9", "b!", "b4", "4x", '4{"a":1}', "4" + "[" * 100_000, "3" + "[" * 100_000),
    *(
        "42",
        "42[]",
        "42{}",
        '42"x"',
        "42[7]",
        '42["connect"]',
        "43",
        "43{}",
        "44{}",
        "45",
        "47",
        "4²",
        "42[NaN",
    ),
    "42/providers,[" + "[" * 100_000,
]


@pytest.mark.parametrize("frame", GARBAGE, ids=lambda frame: repr(frame)[:16])
async def test_a_connection_that_speaks_no_socket_io_is_closed(frame: str) -> None:
    """Seen to fail with the library alone: most are exceptions in its log, or leave the peer there."""
    async with site() as hub:
        with no_mistake_of_ours():
            async with raw(hub) as peer:
                await peer.send(frame)
                await peer.closed()
            await nothing_is_left(hub, 0)


async def test_an_acknowledgement_that_nobody_asked_for_harms_nobody() -> None:
    """Seen to fail with the library's table, whose entry 0 is no callback."""
    async with site() as hub:
        with no_mistake_of_ours():
            async with raw(hub) as peer:
                await let_in(peer, "provider")
                for number in ("", "0", "1", "99999999999999999999"):
                    await peer.send(f'43{PROVIDERS},{number}[{{"ok":true}}]')
                await peer.say(PROVIDERS, "dance")
                await peer.until(f'42{PROVIDERS},["error"')
            await nothing_is_left(hub, 0)


@pytest.mark.parametrize("event", ["connect", "disconnect"])
async def test_nobody_becomes_another_by_an_event_called_as_python_socketio_s_own(event: str) -> None:
    """Seen to fail with the library alone: such an event reaches the handler that decides who one is."""
    async with site(spec()) as hub:
        with no_mistake_of_ours():
            async with raw(hub) as peer:
                await peer.enter(PROVIDERS)
                await peer.say(PROVIDERS, event, {}, {"proto": 1, "token": hub.token()})
                await peer.closed()
            await nothing_is_left(hub, 0)


@pytest.mark.parametrize("event", ["result", "chunk", "end"])
@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (
            '451-{namespace},["{event}",{{"id":"{id}","seq":0,"result":{{"_placeholder":true,"num":0}}}}]',
            "base64",
        ),
        ('42{namespace},["{event}",{{"id":"{id}","seq":0,"result":NaN}}]', "NaN"),
        ('42{namespace},["{event}",{{"id":"{id}","seq":0,"d":[-Infinity]}}]', "Infinity"),
    ],
    ids=["binary", "NaN", "Infinity"],
)
async def test_an_answer_that_is_no_json_is_an_error_of_its_call(event: str, packet: str, words: str) -> None:
    """Seen to fail: the call waited for its deadline, or NaN went on to a caller that cannot read it."""
    async with site() as hub:
        caller = await hub.caller()
        async with raw(hub) as peer:
            await let_in(peer, "provider")
            await caller.ask(provider="stranger", stream=event != "result")
            invoke = json.loads(await peer.until(f"42{PROVIDERS},"))[1]
            await peer.send(packet.format(namespace=PROVIDERS, event=event, id=invoke["id"]))
            await peer.send(b"the attachment")
            answer: Any = await caller.next("result" if event == "result" else "end")
            assert answer["error"]["code"] == "protocol"
            assert words in answer["error"]["message"]


async def test_a_number_that_becomes_infinite_is_told_to_its_caller_in_words() -> None:
    """Seen to fail: `Infinity` was sent, which ends a JavaScript caller's connection."""
    async with site() as hub:
        caller = await hub.caller()
        async with raw(hub) as peer:
            await let_in(peer, "provider")
            await caller.ask(provider="stranger")
            await peer.until(f"42{PROVIDERS},")
            await peer.send(f'42{PROVIDERS},["result",{{"id":"1","ok":true,"result":1e999}}]')
            assert (await caller.next("result"))["error"]["code"] == "protocol"


@pytest.mark.parametrize("event", ["update", "health"])
async def test_what_is_nested_too_deeply_to_be_shown_is_not_kept(event: str) -> None:
    """Seen to fail with whatever can be read kept."""
    async with site() as hub, raw(hub) as peer:
        await let_in(peer, "provider")
        deep = '{"a":' * 300 + "1" + "}" * 300
        await peer.send(f'42{PROVIDERS},["{event}",{{"metadata":{deep},"health":{deep}}}]')
        assert "100 levels" in await peer.until(f'42{PROVIDERS},["error"')
        (registration,) = hub.hub.registry.registrations()
        assert not registration.offer.metadata


async def test_a_message_beyond_the_limit_ends_its_connection_alone() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        with no_mistake_of_ours():
            async with raw(hub) as peer:
                await let_in(peer, "provider")
                await peer.say(PROVIDERS, "update", {"description": "x" * (MAX_FRAME + 128 * 1024)})
                await peer.closed()
            await nothing_is_left(hub, 2)
        await caller.ask()
        await provider.reply("still here")
        assert await caller.answer() == "still here"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_grows_on_its_way_is_refused_instead_of_cutting_its_caller_off(
    stream: bool,
) -> None:
    """Seen to fail with answers that are sent however large they are: é has 2 bytes, and 6 as ASCII."""
    async with site() as hub:
        caller = await hub.caller()
        async with raw(hub) as peer:
            await let_in(peer, "provider")
            await caller.ask(provider="stranger", stream=stream)
            await peer.until(f"42{PROVIDERS},")
            large = f'"{"é" * (MAX_FRAME // 5)}"'
            if stream:
                await peer.send(f'42{PROVIDERS},["chunk",{{"id":"1","seq":0,"d":[{large}]}}]')
            else:
                await peer.send(f'42{PROVIDERS},["result",{{"id":"1","ok":true,"result":{large}}}]')
            answer = await caller.next("end" if stream else "result")
            assert answer["error"]["code"] == "too_large"


@pytest.mark.parametrize("headers", ["Upgrade: websocket", "Upgrade: websocket\r\nConnection: upgrade"])
async def test_nothing_is_left_of_a_handshake_that_fails(headers: str) -> None:
    """Seen to fail with the library alone: a connection stays, and it is our mistake."""
    async with site() as hub:
        with no_mistake_of_ours():
            reader, writer = await asyncio.open_unix_connection(hub.path)
            asked = f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.0\r\n{headers}\r\n\r\n"
            writer.write(asked.encode())
            async with asyncio.timeout(PATIENCE):
                assert b" 400 " in await reader.readline()
            writer.close()
            await nothing_is_left(hub, 0)
        assert not hub.hub._sio.eio.sockets


@pytest.mark.parametrize("event", ["result", "chunk", "end", "lingers"])
async def test_another_provider_s_calls_are_out_of_reach(event: str) -> None:
    """Seen to fail with calls that are looked up by their id alone."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=event in ("chunk", "end"))
        invoke = await provider.next("invoke")
        async with raw(hub) as peer:
            await let_in(peer, "provider")
            forged = {"id": invoke["id"], "seq": 0, "d": ["forged"], "ok": True, "result": "forged"}
            await peer.say(PROVIDERS, event, forged)
            await peer.say(PROVIDERS, "dance")
            await peer.until(f'42{PROVIDERS},["error"')
        await provider.say(
            "result", {"id": invoke["id"], "ok": False, "error": {"code": "x", "message": "mine"}}
        )
        answer = await caller.next("end" if event in ("chunk", "end") else "result")
        assert answer["error"]["message"] == "mine"
        assert not hub.hub.registry.registrations("tool")[0].calls


@pytest.mark.parametrize(
    "auth",
    [
        "",
        "7",
        "[]",
        "{}",
        '{"proto":1}',
        '{"proto":1,"token":{}}',
        '{"proto":"1","token":"x"}',
        '{"proto":NaN}',
    ],
)
@pytest.mark.parametrize("namespace", [PROVIDERS, CLIENTS])
async def test_whoever_shows_no_token_gets_no_further(namespace: str, auth: str) -> None:
    async with site() as hub:
        with no_mistake_of_ours():
            async with raw(hub) as peer:
                await peer.send(f"40{namespace},{auth}")
                refusal = json.loads(await peer.until(f"44{namespace},"))
                assert refusal["data"]["code"] in ("protocol", "unauthenticated")
                await peer.say(namespace, "register", {"name": "stranger"}, number="1")
                # It may try again on the same connection.
                await peer.enter(namespace, LOCAL)
            await nothing_is_left(hub, 0)
        assert hub.hub.registry.registrations() == []

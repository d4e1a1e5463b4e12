"""Who is alive is measured by the steady clock: the wall clock may jump as it likes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anyio
import pytest
from engineio.packet import PING

from tests.hub.peers import PATIENCE, Peer, site, spec, until

pytestmark = pytest.mark.anyio

HOUR = 3600.0


@pytest.fixture(autouse=True)
def _ping_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gleitzeitd.hub.server.PING_INTERVAL", 0.01)


async def owing(peer: Peer) -> None:
    """Let the peer take a ping and never answer it."""
    pinged = asyncio.Event()
    receive = peer.client.eio._receive_packet

    async def take(packet: Any) -> None:
        if packet.packet_type == PING:
            pinged.set()
        else:
            await receive(packet)

    peer.client.eio._receive_packet = take
    with anyio.fail_after(PATIENCE):
        await pinged.wait()


async def test_a_clock_that_jumps_forward_drops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail with python-socketio's own server: it closes whoever owes a ping's answer just then."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await owing(provider)
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() + HOUR)
        await caller.ask()
        await provider.reply("still here")
        assert await caller.answer() == "still here"
        monkeypatch.setattr(time, "time", lambda: wall() - HOUR)
        await caller.ask()
        await provider.reply("here again")
        assert await caller.answer() == "here again"


async def test_who_owes_an_answer_for_too_long_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen to fail with silence that nobody watches."""
    monkeypatch.setattr("gleitzeitd.hub.server.PING_TIMEOUT", 0.2)
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await owing(provider)
        await until(lambda: ("disconnected", "tool", 1) in hub.facts)
        await caller.ask(provider="nobody")
        assert (await caller.next("result"))["error"]["code"] == "not_found.provider"

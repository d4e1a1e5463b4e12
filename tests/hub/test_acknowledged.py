"""A provider that said `reply: ack` answers a call by acknowledging it; nothing of that outlives the call."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gleitzeit_extensions.protocol import PROVIDERS, CallError
from tests.hub.peers import Peer, Site, site, spec, until

pytestmark = pytest.mark.anyio


async def acknowledging(hub: Site, answers: asyncio.Queue[Any], instance: str = "tool", **offer: Any) -> Peer:
    """A provider whose calls are acknowledged with what is put into `answers`."""
    provider = await hub.provider(instance, reply="ack", **offer)

    async def take(data: Any) -> Any:
        provider.arrived.setdefault("invoke", asyncio.Queue()).put_nowait(data)
        return await answers.get()

    provider.client.on("invoke", take, namespace=PROVIDERS)
    return provider


async def test_a_call_is_answered_by_its_acknowledgement() -> None:
    async with site(spec()) as hub:
        answers: asyncio.Queue[Any] = asyncio.Queue()
        await acknowledging(hub, answers)
        caller = await hub.caller()
        answers.put_nowait({"ok": True, "result": 8})
        await caller.ask()
        assert await caller.answer() == 8
        answers.put_nowait({"ok": False, "error": CallError("provider_error", "no").wire()})
        await caller.ask()
        with pytest.raises(CallError, match=r"^no$"):
            await caller.answer()


@pytest.mark.parametrize("answer", [None, 7, "text", [1], {"id": "x"}])
async def test_an_acknowledgement_that_says_nothing_is_an_error_of_its_call(answer: Any) -> None:
    async with site(spec()) as hub:
        answers: asyncio.Queue[Any] = asyncio.Queue()
        await acknowledging(hub, answers)
        caller = await hub.caller()
        answers.put_nowait(answer)
        await caller.ask()
        assert (await caller.next("result"))["error"]["code"] == "protocol"


async def test_a_stream_goes_by_events_all_the_same() -> None:
    async with site(spec()) as hub:
        provider = await acknowledging(hub, asyncio.Queue())
        caller = await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        await provider.say("chunk", {"id": invoke["id"], "seq": 0, "d": ["x"]})
        await provider.say("end", {"id": invoke["id"], "seq": 1})
        assert (await caller.next("chunk"))["d"] == ["x"]
        assert (await caller.next("end"))["seq"] == 1


async def test_a_late_acknowledgement_frees_the_slot_and_nothing_is_kept_of_it() -> None:
    """Seen to fail with python-socketio's own callbacks: the table keeps what is not acknowledged."""
    async with site(spec(concurrency=1)) as hub:
        answers: asyncio.Queue[Any] = asyncio.Queue()
        provider = await acknowledging(hub, answers)
        caller = await hub.caller()
        await caller.ask(timeout=0.05)
        await provider.next("invoke")
        assert (await caller.next("result"))["error"]["code"] == "deadline_exceeded"
        assert (await provider.next("cancel"))["reason"] == "deadline"
        answers.put_nowait({"ok": True, "result": "too late"})
        await until(lambda: not hub.hub.registry.registrations("tool")[0].calls)
        assert hub.hub._sio.manager.callbacks == {}


async def test_a_call_of_a_provider_that_leaves_is_lost_at_once() -> None:
    async with site(spec()) as hub:
        provider = await acknowledging(hub, asyncio.Queue())
        caller = await hub.caller()
        await caller.ask()
        await provider.next("invoke")
        await provider.leave()
        assert (await caller.next("result"))["error"]["code"] == "instance_lost"


async def test_an_acknowledgement_answers_no_call_of_another_provider() -> None:
    """Seen to fail with acknowledgements that are looked up among all calls."""
    async with site(spec("tool"), spec("other")) as hub:
        provider, caller = await hub.provider("tool"), await hub.caller()
        await caller.ask()
        invoke = await provider.next("invoke")
        other = await acknowledging(hub, asyncio.Queue(), "other")
        await other.client._send_packet(
            other.client.packet_class(3, namespace=PROVIDERS, id=int(invoke["id"]), data=[{"ok": True}])
        )
        await other.say("update", {"description": "it was taken"})
        await until(lambda: hub.hub.registry.registrations("other")[0].offer.description)
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": "mine"})
        assert await caller.answer() == "mine"


async def test_another_form_of_reply_is_refused() -> None:
    async with site() as hub:
        peer = await hub.peer(PROVIDERS)
        answer = await peer.register(name="stranger", reply="pigeon")
        assert answer["error"]["message"] == '`reply` must be "event" or "ack"'

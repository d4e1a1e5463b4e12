"""Streams through a real hub: frame by frame, never more than is taken, cancelled when the reader leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from engineio.packet import MESSAGE, Packet

from gleitzeit_extensions.protocol import CLIENTS, CREDIT_BYTES, PROVIDERS, WINDOW, CallError
from gleitzeitd.core.spec import ClassTarget, Spec
from tests.hub.peers import Peer, site, spec, until

pytestmark = pytest.mark.anyio


async def frames(provider: Peer, number: str, count: int, start: int = 0) -> None:
    for seq in range(start, start + count):
        await provider.say("chunk", {"id": number, "seq": seq, "d": [f"item {seq}"]})


async def test_a_stream_arrives_frame_by_frame_and_in_order() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        assert (invoke["stream"], invoke["credit"]) == (True, WINDOW)
        assert "deadline_ms" not in invoke
        await frames(provider, invoke["id"], 3)
        arrived = [await caller.next("chunk") for _ in range(3)]
        assert [(chunk["seq"], chunk["d"]) for chunk in arrived] == [(n, [f"item {n}"]) for n in range(3)]
        await provider.say("end", {"id": invoke["id"], "seq": 3})
        assert await caller.next("end") == {"id": "1", "seq": 3}


async def test_a_reader_that_takes_nothing_grants_nothing() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True, credit=0)
        invoke = await provider.next("invoke")
        await frames(provider, invoke["id"], WINDOW)
        await caller.say("credit", {"id": "1", "n": WINDOW // 2})
        for _ in range(WINDOW // 2):
            await caller.next("chunk")
        # The hub grants anew what was taken, and no more.
        assert await provider.next("credit") == {"id": invoke["id"], "n": WINDOW // 2}
        assert provider.arrived["credit"].empty()
        assert caller.arrived["chunk"].empty()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"seq": 1, "d": ["x"]}, "the provider sent frame 1 where 0 was due"),
        ({"seq": 0, "d": "x"}, "a chunk has no list `d`"),
    ],
)
async def test_a_frame_that_breaks_the_protocol_ends_the_stream(sent: dict[str, Any], words: str) -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        await provider.say("chunk", {"id": invoke["id"], **sent})
        end = await caller.next("end")
        assert words in end["error"]["message"]
        assert (await provider.next("cancel"))["id"] == invoke["id"]


async def test_more_frames_than_were_granted_end_the_stream() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True, credit=0)
        invoke = await provider.next("invoke")
        await frames(provider, invoke["id"], WINDOW + 2)
        assert (await provider.next("cancel"))["reason"] == "protocol"


async def test_a_stream_that_ends_short_is_an_error() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        await provider.say("end", {"id": invoke["id"], "seq": 2})
        assert "ended after 2 frames, 0 came" in (await caller.next("end"))["error"]["message"]


async def test_an_error_after_some_frames_comes_after_those_frames() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        await frames(provider, invoke["id"], 2)
        error = CallError("provider_error", "the model hung up").wire()
        await provider.say("end", {"id": invoke["id"], "seq": 2, "error": error})
        end = await caller.next("end")
        assert (end["seq"], end["error"]["message"]) == (2, "the model hung up")


async def test_a_reader_that_leaves_cancels_the_stream() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        await caller.say("cancel", {"id": "1"})
        assert (await provider.next("cancel"))["id"] == invoke["id"]
        # What still comes of it harms nobody, and its end frees the slot.
        await frames(provider, invoke["id"], 3)
        await provider.say("end", {"id": invoke["id"], "seq": 3})
        await until(lambda: not hub.hub.registry.registrations("tool")[0].calls)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_is_cancelled_before_it_began_is_answered(stream: bool) -> None:
    """Seen to fail with a task that is cancelled before it ran."""
    async with site(spec()) as hub:
        caller = await hub.caller()
        (sid,) = hub.hub._sio.manager.rooms[CLIENTS][None]
        call = {"id": "1", "provider": "tool", "method": "add", "stream": stream}
        await hub.hub._sio._trigger_event("invoke", CLIENTS, sid, call)
        await hub.hub._sio._trigger_event("cancel", CLIENTS, sid, {"id": "1"})
        assert (await caller.next("result"))["error"]["code"] == "cancelled"


@pytest.mark.parametrize(("kind", "made_again"), [("llm", True), ("tool", False)])
async def test_a_model_s_stream_is_made_again_before_its_first_frame(kind: str, made_again: bool) -> None:
    async with site(Spec("tool", kind, ClassTarget("m.C"))) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        await provider.next("invoke")
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {})
        if made_again:
            successor = await hub.provider()
            assert (await successor.next("invoke"))["attempt"] == 2
        else:
            assert (await caller.next("end"))["error"]["code"] == "instance_lost"


async def test_a_stream_that_has_begun_ends_with_an_error_when_its_instance_is_lost() -> None:
    async with site(Spec("tool", "llm", ClassTarget("m.C"))) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        await frames(provider, invoke["id"], 1)
        await caller.next("chunk")
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {})
        assert (await caller.next("end"))["error"]["code"] == "instance_lost"


async def test_a_large_chunk_costs_as_many_credits_as_it_has_pieces_of_16_kib() -> None:
    """Seen to fail with chunks that cost one credit each: no credit comes back for two of them."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        for seq in range(2):
            await provider.say("chunk", {"id": invoke["id"], "seq": seq, "d": ["x" * (20 * CREDIT_BYTES)]})
        assert [(await caller.next("chunk"))["cost"] for _ in range(2)] == [21, 21]
        assert await provider.next("credit") == {"id": invoke["id"], "n": 42}


async def test_a_chunk_that_is_larger_than_what_is_left_costs_its_stream_and_no_more() -> None:
    """Seen to fail with a window of 64 frames of any size."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True, credit=0)
        invoke = await provider.next("invoke")
        for seq in range(5):
            await provider.say("chunk", {"id": invoke["id"], "seq": seq, "d": ["x" * (20 * CREDIT_BYTES)]})
        cancel = await provider.next("cancel")
        assert (cancel["id"], cancel["reason"]) == (invoke["id"], "protocol")
        await provider.say("end", {"id": invoke["id"], "seq": 5})
        await caller.ask("2")
        await provider.reply("still here")
        assert await caller.answer() == "still here"


async def test_one_chunk_may_be_larger_than_the_whole_window() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        large = "x" * (2 * WINDOW * CREDIT_BYTES)
        for seq in range(2):
            await provider.say("chunk", {"id": invoke["id"], "seq": seq, "d": [large]})
            chunk = await caller.next("chunk")
            assert (chunk["seq"], chunk["d"]) == (seq, [large])
            assert (await provider.next("credit"))["n"] == chunk["cost"] == 2 * WINDOW + 1
            await caller.say("credit", {"id": "1", "n": chunk["cost"]})


async def test_half_of_the_window_suffices_for_a_chunk_of_any_size() -> None:
    """A sender must not wait for what never comes back. Seen to fail with a rule that asks for all."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        await frames(provider, invoke["id"], WINDOW // 2 - 1)
        large = ["x" * (2 * WINDOW * CREDIT_BYTES)]
        await provider.say("chunk", {"id": invoke["id"], "seq": WINDOW // 2 - 1, "d": large})
        assert (await provider.next("credit"))["n"] == WINDOW // 2 + 2 * WINDOW


async def test_a_caller_gets_no_more_than_its_window_of_large_chunks() -> None:
    """Seen to fail with chunks that cost a caller one credit each."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True, credit=4)
        invoke = await provider.next("invoke")
        for seq in range(3):
            await provider.say("chunk", {"id": invoke["id"], "seq": seq, "d": ["x" * (2 * CREDIT_BYTES)]})
        await provider.say("update", {"description": "all is there"})
        await until(lambda: hub.hub.registry.registrations("tool")[0].offer.description)
        assert (await caller.next("chunk"))["cost"] == 3
        assert caller.arrived["chunk"].empty()
        # What costs more than is left comes once the caller has taken what it has.
        await caller.say("credit", {"id": "1", "n": 3})
        assert (await caller.next("chunk"))["seq"] == 1


async def test_the_bytes_of_a_chunk_count_and_not_its_characters() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True)
        invoke = await provider.next("invoke")
        chunk = {"id": invoke["id"], "seq": 0, "d": ["ü" * CREDIT_BYTES]}
        packet = f"42{PROVIDERS}," + json.dumps(["chunk", chunk], ensure_ascii=False)
        await provider.client.eio._send_packet(Packet(MESSAGE, packet[1:]))
        assert (await caller.next("chunk"))["cost"] == 3

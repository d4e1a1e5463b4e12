"""Streams through a real hub: frame by frame, never more than is taken, cancelled when the reader leaves."""

from __future__ import annotations

from typing import Any

import pytest

from gleitzeit_extensions.protocol import WINDOW, CallError
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
        ({"seq": 1, "d": ["x"]}, "frame 0 was expected, 1 came"),
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

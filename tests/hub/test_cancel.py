"""A call that nobody waits for is cancelled at its provider; who does not end such calls is replaced."""

from __future__ import annotations

from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.patience import Limits
from tests.hub.peers import Peer, Site, site, spec, until

pytestmark = pytest.mark.anyio

HURRIED = Limits(grace=0.01, times=3, stuck=0.02)
STRICT = Limits(grace=0.01, times=1, stuck=60)


async def cancelled(caller: Peer, provider: Peer, number: str, **more: Any) -> str:
    """A call that its caller gave up; its id at the provider, which was told."""
    await caller.ask(number, **more)
    invoke = await provider.next("invoke")
    await caller.say("cancel", {"id": number})
    assert (await provider.next("cancel"))["id"] == invoke["id"]
    return str(invoke["id"])


def told(hub: Site) -> list[Any]:
    return [fact for fact in hub.facts if fact[0] == "stuck"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_hangs_up_cancels_what_it_waits_for(stream: bool) -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=stream)
        invoke = await provider.next("invoke")
        await caller.leave()
        assert await provider.next("cancel") == {"id": invoke["id"], "reason": "caller_gone"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_deadline_cancels(stream: bool) -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=stream, timeout=0.05)
        invoke = await provider.next("invoke")
        assert await provider.next("cancel") == {"id": invoke["id"], "reason": "deadline"}
        answer = await caller.next("end" if stream else "result")
        assert answer["error"]["code"] == "deadline_exceeded"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_caller_that_gives_up_is_told_at_once_and_the_slot_is_free_when_the_call_has_ended(
    stream: bool,
) -> None:
    """Seen to fail with a slot that is free at the cancel: the next call comes before the first ends."""
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        number = await cancelled(caller, provider, "1", stream=stream)
        assert (await caller.next("result"))["error"]["code"] == "cancelled"
        await caller.ask("2")
        await provider.say("update", {"description": "all is there"})
        await until(lambda: hub.hub.registry.registrations("tool")[0].offer.description)
        assert provider.arrived["invoke"].empty()
        error = CallError("cancelled", "it was cancelled").wire()
        await provider.say("result", {"id": number, "ok": False, "error": error})
        await provider.reply("free again")
        assert await caller.answer() == "free again"


async def test_an_instance_whose_calls_outlive_their_cancel_three_times_is_replaced() -> None:
    """Seen to fail with a count that is never kept."""
    async with site(spec(), patience=Limits(grace=0.01)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        registration = hub.hub.registry.registrations("tool")[0]
        for number in ("1", "2", "3"):
            assert not told(hub)
            await cancelled(caller, provider, number)
            await until(lambda number=number: registration.outlived == int(number))
        assert told(hub) == [
            ("stuck", "tool", 1, "3 calls went on for more than 0.01 s after they were cancelled")
        ]


async def test_what_outlived_its_cancel_long_ago_is_forgotten() -> None:
    async with site(spec(), patience=Limits(grace=0.01, times=2, memory=0.0)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        (registration,) = hub.hub.registry.registrations("tool")
        for number in ("1", "2", "3"):
            before = registration.outlived_at
            await cancelled(caller, provider, number)
            await until(lambda before=before: registration.outlived_at > before)
        assert (registration.outlived, told(hub)) == (1, [])


async def test_who_ends_its_cancelled_calls_in_time_is_left_alone() -> None:
    async with site(spec(), patience=Limits(grace=0.2, times=1)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        number = await cancelled(caller, provider, "1")
        await provider.say("result", {"id": number, "ok": True, "result": 1})
        stubborn = await cancelled(caller, provider, "2")
        await until(lambda: told(hub))
        assert hub.hub.registry.registrations("tool")[0].outlived == 1
        assert stubborn != number


async def test_a_call_that_cannot_be_interrupted_is_no_disobedience() -> None:
    """Seen to fail with `lingers` ignored."""
    async with site(spec(), patience=STRICT) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        registration = hub.hub.registry.registrations("tool")[0]
        await caller.ask("1")
        invoke = await provider.next("invoke")
        await provider.say("lingers", {"id": invoke["id"]})
        await until(lambda: registration.calls[invoke["id"]].lingers)
        await caller.say("cancel", {"id": "1"})
        await provider.next("cancel")
        # The second call's grace ends after the first one's.
        await cancelled(caller, provider, "2")
        await until(lambda: told(hub))
        assert registration.outlived == 1


async def test_an_instance_whose_every_slot_is_stuck_is_replaced() -> None:
    """Seen to fail with slots of lingering calls that count for nothing."""
    async with site(spec(concurrency=2), patience=HURRIED) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        for number in ("1", "2"):
            await caller.ask(number)
            await provider.say("lingers", {"id": (await provider.next("invoke"))["id"]})
            await caller.say("cancel", {"id": number})
        reason = "every slot is held by calls that were cancelled 0.02 s ago or earlier"
        await until(lambda: ("stuck", "tool", 1, reason) in hub.facts)


async def test_an_instance_with_a_call_that_somebody_waits_for_is_not_stuck() -> None:
    async with site(spec(concurrency=2), patience=HURRIED) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1")
        wanted = await provider.next("invoke")
        await caller.ask("2")
        await provider.say("lingers", {"id": (await provider.next("invoke"))["id"]})
        await caller.say("cancel", {"id": "2"})
        registration = hub.hub.registry.registrations("tool")[0]
        (stuck,) = [call for call in registration.calls.values() if call.id != wanted["id"]]
        await until(lambda: stuck.given_up_at is not None)
        hub.hub._providers._patience._after_long(registration, stuck)
        assert not told(hub)


async def test_an_external_provider_that_does_not_end_its_calls_is_sent_away() -> None:
    async with site(patience=STRICT) as hub:
        provider, caller = await hub.provider("stranger"), await hub.caller()
        await caller.ask("1", "stranger")
        await provider.next("invoke")
        await caller.say("cancel", {"id": "1"})
        await until(lambda: not hub.hub.registry.registrations())
        await until(lambda: not provider.client.connected)

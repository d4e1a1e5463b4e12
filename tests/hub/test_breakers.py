"""Instances that keep failing are left alone for a while, then tried with one call."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from gleitzeit_extensions.protocol import PROVIDERS
from gleitzeitd.core.breaker import Breaker, is_open
from gleitzeitd.hub.registration import Registration
from tests.hub.peers import Peer, Site, site, spec, twins, until

pytestmark = pytest.mark.anyio


def only(hub: Site, name: str = "tool") -> Registration:
    (registration,) = hub.hub.registry.registrations(name)
    return registration


def opened(hub: Site, name: str = "tool", seconds: float = 0.1) -> None:
    """Its breaker is open for so long."""
    only(hub, name).breaker = Breaker(until=anyio.current_time() + seconds, span=seconds)


async def fail(caller: Peer, provider: Peer, times: int = 5) -> None:
    for number in range(times):
        await caller.ask(f"failed {number}")
        await provider.refuse("unavailable", "the backend is down")
        await caller.failure()


async def test_an_instance_that_fails_five_times_in_a_row_is_asked_no_more_and_its_error_told() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await fail(caller, provider)
        await caller.ask(timeout=1)
        error = await caller.failure()
        assert error.code == "unavailable"
        assert 0 < error.detail["retry_after"] <= 5
        assert "the backend is down" in error.message
        assert provider.arrived["invoke"].empty()


async def test_the_other_instance_takes_the_calls_of_one_that_fails() -> None:
    async with site(twins()) as hub:
        first, caller = await hub.provider("tool#1"), await hub.caller()
        await fail(caller, first)
        second = await hub.provider("tool#2")
        for number in ("1", "2", "3"):
            await caller.ask(number)
            await second.reply("well")
            assert await caller.answer() == "well"


async def test_a_call_waits_for_the_moment_when_it_may_be_tried_again() -> None:
    """Seen to fail without a timer."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        opened(hub, seconds=0.5)
        await caller.ask(timeout=10)
        await until(lambda: hub.waiting() == 1)
        await provider.reply("well")
        assert await caller.answer() == "well"
        assert not is_open(only(hub).breaker, anyio.current_time())


async def test_one_probe_goes_and_the_others_wait_for_what_it_finds() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        opened(hub)
        for number in ("1", "2", "3"):
            await caller.ask(number, timeout=10)
        probe = await provider.next("invoke")
        assert provider.arrived["invoke"].empty()
        await until(lambda: hub.waiting() == 2)
        await provider.say("result", {"id": probe["id"], "ok": True, "result": "well"})
        await provider.reply("well")
        await provider.reply("well")
        assert [await caller.answer() for _ in range(3)] == ["well"] * 3


async def test_a_probe_that_fails_sends_away_who_cannot_wait_for_the_next() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        opened(hub)
        await caller.ask("probe", timeout=10)
        await caller.ask("waits", timeout=0.15)
        await caller.ask("patient", timeout=60)
        invoke = await provider.next("invoke")
        await provider.say(
            "result",
            {"id": invoke["id"], "ok": False, "error": {"code": "unavailable", "message": "still down"}},
        )
        ends = [(await caller.next("result")) for _ in range(2)]
        assert {end["id"] for end in ends} == {"probe", "waits"}
        await provider.reply("well")
        assert (await caller.next("result"))["id"] == "patient"


async def test_a_probe_that_is_cancelled_lets_the_next_go() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        opened(hub, seconds=0.01)
        await caller.ask("1", timeout=10)
        await provider.next("invoke")
        await caller.ask("2", timeout=10)
        await until(lambda: hub.waiting() == 1)
        await caller.say("cancel", {"id": "1"})
        await provider.reply("well")


async def test_who_says_when_to_come_again_is_left_alone_until_then() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1")
        begun = anyio.current_time()
        await provider.refuse("rate_limited", "slow down", retry_after=0.2)
        await caller.failure()
        await caller.ask("2", timeout=10)
        await provider.reply("well")
        assert await caller.answer() == "well"
        assert anyio.current_time() - begun >= 0.2


async def test_a_reconnection_of_the_same_life_closes_no_breaker_and_a_new_life_does() -> None:
    async with site(spec()) as hub:
        token = hub.token()
        first = await hub.peer(PROVIDERS, token)
        await first.register(name="tool")
        opened(hub, seconds=60)
        await first.leave()
        again = await hub.peer(PROVIDERS, token)
        await until(lambda: not hub.hub.registry.registrations())
        await again.register(name="tool")
        assert is_open(only(hub).breaker, anyio.current_time())
        hub.hub.registry.exited("tool", 1, "exited with 0", {})
        newer = await hub.peer(PROVIDERS, hub.token("tool", 2))
        await newer.register(name="tool")
        assert not is_open(only(hub).breaker, anyio.current_time())


async def test_the_short_patience_of_callers_opens_no_breaker() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        for number in range(6):
            await caller.ask(str(number), timeout=0.02)
            await provider.next("invoke")
            await caller.failure()
        await caller.ask("patient")
        await provider.reply("well")
        assert await caller.answer() == "well"


async def test_a_provider_whose_breaker_is_open_has_its_fallback_asked() -> None:
    async with site(spec(fallbacks={"default": ("b",)}), spec("b")) as hub:
        provider, b, caller = await hub.provider(), await hub.provider("b"), await hub.caller()
        opened(hub, seconds=3600)
        await caller.ask(timeout=5)
        await b.reply("well")
        assert await caller.answer() == "well"
        assert "invoke" not in provider.arrived


async def test_an_answer_of_its_own_is_a_success_however_often() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        for number in range(12):
            await caller.ask(str(number))
            await provider.refuse("provider_error", "no such file")
            await caller.failure()
        assert only(hub).breaker == replace(Breaker())

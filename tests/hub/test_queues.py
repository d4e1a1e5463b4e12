"""Calls that find no free slot: in which order they wait, how many may, and who is refused at once."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from gleitzeit_extensions.protocol import PROVIDERS
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.access.scopes import Right, Scope
from gleitzeitd.hub.access.tokens import Grant, digest
from gleitzeitd.hub.calls import Answer
from gleitzeitd.hub.wish import Wish
from tests.hub.peers import Peer, Site, site, spec, twins, until

pytestmark = pytest.mark.anyio


def holding(hub: Site, seconds: float) -> None:
    """So long its calls have lasted until now."""
    for registration in hub.hub.registry.registrations():
        registration.holding = seconds


async def busy(hub: Site) -> tuple[Peer, Peer]:
    """A provider whose only slot is taken, and who took it."""
    provider, caller = await hub.provider(models=["m"], capabilities=["c"]), await hub.caller()
    await caller.ask("first")
    await provider.next("invoke")
    return provider, caller


async def test_a_call_whose_turn_cannot_come_in_time_is_refused_at_once_with_when_it_could() -> None:
    async with site(spec(concurrency=1)) as hub:
        _, caller = await busy(hub)
        holding(hub, 10.0)
        await caller.ask("second", timeout=15)
        await until(lambda: hub.waiting() == 1)
        await caller.ask("third", timeout=15)
        error = await caller.failure()
        assert (error.code, error.detail) == ("overloaded", {"retry_after": 20.0})
        assert "it would take about 20 s, and this call has 15 s" in error.message


async def test_a_full_queue_says_when_to_come_again() -> None:
    async with site(spec(concurrency=1, queue=1)) as hub:
        _, caller = await busy(hub)
        holding(hub, 3.0)
        await caller.ask("second")
        await until(lambda: hub.waiting() == 1)
        await caller.ask("third")
        assert (await caller.failure()).detail == {"retry_after": 6.0}


async def test_the_oldest_is_placed_first_whatever_it_asked_for() -> None:
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await hub.provider(models=["m"], capabilities=["c"]), await hub.caller()
        await caller.ask("first")
        first = await provider.next("invoke")
        asked = ({"model": "m"}, {"provider": "tool"}, {"capability": "c"}, {"model": "m"}, {"target": "m"})
        for number, target in enumerate(asked):
            await caller.ask(str(number), args={"n": number}, **target)
            await until(lambda: hub.waiting() == number + 1)  # noqa: B023 - it is asked at once
        assert hub.hub.registry.line.queued(Target(By.MODEL, "m")) == 2
        await provider.say("result", {"id": first["id"], "ok": True, "result": 0})
        assert [(await provider.reply("well"))["args"]["n"] for _ in asked] == [0, 1, 2, 3, 4]


async def test_a_slot_that_one_target_cannot_use_goes_to_the_next_that_can() -> None:
    async with site(twins(concurrency=1)) as hub:
        first, caller = await hub.provider("tool#1", models=["m"]), await hub.caller()
        second = await hub.provider("tool#2", models=["n"])
        for number in ("1", "2"):
            await caller.ask(f"m{number}", model="m", args={"model": f"m{number}"})
            await caller.ask(f"n{number}", model="n", args={"model": f"n{number}"})
        await until(lambda: hub.waiting() == 2)
        await second.reply("well")
        assert (await second.next("invoke"))["args"] == {"model": "n2"}
        assert hub.waiting() == 1
        await first.reply("well")
        assert (await first.next("invoke"))["args"] == {"model": "m2"}


async def test_a_pool_waits_in_the_longest_queue_of_its_providers() -> None:
    async with site(spec("a", queue=1, concurrency=1), spec("b", queue=2, concurrency=1)) as hub:
        for name in ("a", "b"):
            await hub.provider(name, models=["m"])
        caller = await hub.caller()
        for number in range(4):
            await caller.ask(str(number), model="m")
        await until(lambda: hub.waiting("a") == 2)
        await caller.ask("more", model="m")
        assert (await caller.failure()).code == "overloaded"


async def test_more_slots_take_in_who_waits_for_a_model() -> None:
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await busy(hub)
        await caller.ask("second", model="m")
        await until(lambda: hub.waiting() == 1)
        hub.hub.know(spec(concurrency=2))
        assert (await provider.next("invoke"))["model"] == "m"


async def test_a_slot_that_was_given_to_who_just_left_goes_to_the_next() -> None:
    """Seen to fail with a slot that is taken back without a word."""
    async with site(spec(concurrency=1)) as hub:
        await busy(hub)
        line, (registration,) = hub.hub.registry.line, hub.hub.registry.registrations()
        target, until_then = Target(By.PROVIDER, "tool"), anyio.current_time() + 60
        calls = [Answer(name, until_then) for name in ("left", "next")]
        left, following = [asyncio.create_task(line.place(Wish(call, target, until_then))) for call in calls]
        await until(lambda: hub.waiting() == 2)
        registration.calls.clear()
        hub.hub.registry.answered(registration)
        left.cancel()
        assert (await following).registration is registration
        assert [*registration.calls] == ["next"]


async def test_who_may_join_a_provider_of_the_daemon_s_own_shares_its_calls() -> None:
    async with site(spec(concurrency=1)) as hub:
        own, caller = await busy(hub)
        grant = Grant(name="helper", scopes=(Scope(Right.PROVIDE, "tool"),))
        hub.hub.registry.tokens.add(grant, digest("helper's"))
        joined = await hub.peer(PROVIDERS, "helper's")
        assert (await joined.register(name="tool"))["ok"]
        await caller.ask("second")
        await joined.reply("well")
        assert await caller.answer() == "well"
        hub.hub.know(spec(concurrency=1, idempotent=True))
        assert len(hub.hub.registry.registrations("tool")) == 2
        assert "invoke" in own.arrived


async def test_a_call_that_could_not_be_written_leaves_its_slot_to_the_next() -> None:
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await hub.provider(methods=[{"name": "add"}], closed=True), await hub.caller()
        for number, method in enumerate(("add", "nothing", "add")):
            await caller.ask(str(number), method=method)
        await until(lambda: hub.waiting() == 2)
        await provider.reply("first")
        await provider.reply("third")
        ends = {(await caller.next("result"))["ok"] for _ in range(3)}
        assert ends == {True, False}

"""Providers are asked how they are: on request, and at intervals as their check says."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import replace
from typing import Any

import anyio
import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.spec import Check, CheckKind, Spec
from gleitzeitd.hub.registration import Registration
from tests.hub.peers import RUNNING, Peer, Site, site, spec, twins, until

pytestmark = pytest.mark.anyio

AT_ONCE = Check(interval=0.0)


def checked(check: Check | None, provider: Spec | None = None) -> Spec:
    return replace(provider or spec(), health=check)


async def say(provider: Peer, **health: Any) -> None:
    """Answer the next question."""
    asked = await provider.next("health")
    await provider.say("health", {"id": asked["id"], "ok": True, "health": health})


def registration(hub: Site) -> Registration:
    (found,) = hub.hub.registry.registrations()
    return found


async def test_the_provider_is_asked_how_it_is_and_askers_share_the_answer() -> None:
    async with site(spec()) as hub:
        provider = await hub.provider()
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await hub.hub.health.ask(registration(hub)))

        async with anyio.create_task_group() as askers:
            askers.start_soon(ask)
            askers.start_soon(ask)
            await say(provider, healthy=True, model="warm")
        assert answers == [{"healthy": True, "model": "warm"}] * 2
        assert provider.arrived["health"].empty()


async def test_an_asker_who_gives_up_leaves_the_answer_to_the_other() -> None:
    """Seen to fail with a question that is dropped with the first of its askers."""
    async with site(spec()) as hub:
        provider = await hub.provider()
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await hub.hub.health.ask(registration(hub)))

        async with anyio.create_task_group() as askers:
            askers.start_soon(ask)
            with pytest.raises(CallError, match='"tool" did not say how it is'):
                await hub.hub.health.ask(registration(hub), 0.01)
            await say(provider, healthy=True)
        assert answers == [{"healthy": True}]


async def test_a_question_that_nobody_waits_for_any_more_is_asked_anew() -> None:
    async with site(spec()) as hub:
        provider = await hub.provider()
        for _ in range(2):
            with pytest.raises(CallError) as failure:
                await hub.hub.health.ask(registration(hub), 0.01)
            assert failure.value.code == "deadline_exceeded"
            await provider.next("health")


async def test_an_error_that_comes_too_late_is_nobody_s() -> None:
    """Seen to fail with a question that stays open: asyncio reports an error that nobody looked at."""
    reports: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reports.append(context))
    async with site(spec()) as hub:
        provider = await hub.provider()
        with pytest.raises(CallError):
            await hub.hub.health.ask(registration(hub), 0.01)
        await provider.say("health", {"ok": False, "error": {"code": "provider_error", "message": "no"}})
        await provider.say("update", {"description": "it was taken"})
        await until(lambda: registration(hub).offer.description)
    gc.collect()
    assert reports == []


async def test_as_many_failures_in_a_row_as_the_check_says_are_told_by_the_instance_s_name() -> None:
    async with site(checked(replace(AT_ONCE, failures=2), twins())) as hub:
        provider = await hub.provider("tool#2")
        for healthy in (False, True, False, False):
            assert not [fact for fact in hub.facts if fact[0] == "failed"]
            await say(provider, healthy=healthy, error="the card is gone")
        told = ("failed", "tool#2", 1, "2 health checks in a row failed: the card is gone")
        await until(lambda: told in hub.facts)


async def test_no_answer_in_the_check_s_time_is_a_failure() -> None:
    async with site(checked(Check(interval=0.0, timeout=0.01, failures=1))) as hub:
        await hub.provider()
        sentence = '1 health checks in a row failed: "tool" did not say how it is within 0.01 s'
        await until(lambda: ("failed", "tool", 1, sentence) in hub.facts)
        health = {"healthy": False, "error": '"tool" did not say how it is within 0.01 s'}
        assert registration(hub).health == health


@pytest.mark.parametrize("comes_up", ["by its word", "by its check"])
async def test_what_has_yet_to_come_up_is_not_asked(comes_up: str) -> None:
    """Seen to fail with checks that begin at the registration: the question comes before the answer."""
    async with site(checked(replace(AT_ONCE, failures=1))) as hub:
        standing = replace(RUNNING, fit=comes_up != "by its check")
        provider = await hub.provider(ready=comes_up != "by its word", standing=standing)
        for _ in range(2):
            await provider.say("dance", {})
            await provider.next("error")
        assert "health" not in provider.arrived
        if comes_up == "by its word":
            await provider.say("ready", {})
        hub.hub.registry.stands("tool", RUNNING)
        await say(provider, healthy=False)
        await until(lambda: hub.facts[-1][0] == "failed")


async def test_a_degraded_provider_is_called_again_after_enough_good_answers() -> None:
    """Seen to fail with one good answer taken for enough, and with a failure taken for a good answer."""
    async with site(checked(replace(AT_ONCE, successes=2))) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await say(provider, healthy=True, status="degraded")
        await until(lambda: not registration(hub).is_ready)
        await caller.ask()
        await say(provider, healthy=False)
        await say(provider, healthy=True)
        await say(provider, healthy=False)
        await say(provider, healthy=True)
        await provider.next("health")
        assert "invoke" not in provider.arrived
        await provider.say("health", {"ok": True, "health": {"healthy": True}})
        assert (await provider.next("invoke"))["method"] == "add"


@pytest.mark.parametrize("check", [None, replace(AT_ONCE, kind=CheckKind.TCP)])
async def test_a_provider_without_a_check_of_this_kind_is_asked_on_request_alone(check: Check | None) -> None:
    """Seen to fail with every connection watched: without an interval the question comes before the call."""
    async with site(checked(check)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask()
        await provider.next("invoke")
        assert "health" not in provider.arrived
        async with anyio.create_task_group() as askers:
            askers.start_soon(hub.hub.health.ask, registration(hub))
            await say(provider, healthy=True)


async def test_who_asks_a_provider_that_leaves_is_told_so() -> None:
    async with site(spec()) as hub:
        provider = await hub.provider()

        async def leave() -> None:
            await provider.next("health")
            await provider.leave()

        async with anyio.create_task_group() as others:
            others.start_soon(leave)
            with pytest.raises(CallError, match='"tool" is not connected any more'):
                await hub.hub.health.ask(registration(hub))

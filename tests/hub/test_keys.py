"""Idempotency keys: one request is carried once, however often and from wherever its caller sends it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import anyio
import pytest

from gleitzeit_extensions.protocol import CLIENTS
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub import keys
from gleitzeitd.hub.access.scopes import Right, Scope
from gleitzeitd.hub.access.tokens import Grant, digest
from gleitzeitd.hub.calls import Request
from tests.hub.peers import Site, site, spec, until

pytestmark = pytest.mark.anyio


def running(hub: Site) -> int:
    """How many wait for the answer of a request that is being carried."""
    return sum(one.waiting for one in hub.hub.router._keys._running.values())


async def test_whoever_sends_it_again_waits_for_the_same_answer() -> None:
    async with site(spec()) as hub:
        provider, one, other = await hub.provider(), await hub.caller(), await hub.caller()
        await one.ask(key="k", args={"a": 1})
        invoke = await provider.next("invoke")
        assert invoke["key"] == "k"
        await other.ask(key="k", args={"a": 1})
        await until(lambda: running(hub) == 2)
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": "once"})
        assert [await one.answer(), await other.answer()] == ["once", "once"]
        assert provider.arrived["invoke"].empty()


async def test_what_was_answered_is_replayed() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1", key="k")
        await provider.reply({"paid": 5})
        assert await caller.answer() == {"paid": 5}
        await caller.ask("2", key="k")
        assert await caller.answer() == {"paid": 5}
        assert provider.arrived["invoke"].empty()


@pytest.mark.parametrize(
    "changed",
    [{"args": {"a": 2}}, {"method": "sub"}, {"provider": "other"}],
    ids=["args", "method", "target"],
)
@pytest.mark.parametrize("is_over", [False, True])
async def test_another_request_with_the_same_key_is_a_conflict(
    changed: dict[str, Any], is_over: bool
) -> None:
    async with site(spec(), spec("other")) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1", key="k", args={"a": 1})
        if is_over:
            await provider.reply("well")
            await caller.answer()
        await until(lambda: is_over or running(hub))
        await caller.ask("2", **{"key": "k", "args": {"a": 1}, **changed})
        assert (await caller.failure()).code == "conflict"


async def test_a_caller_that_leaves_takes_nothing_from_who_waits_for_the_same() -> None:
    """Seen to fail with the call in the task of who came first."""
    async with site(spec()) as hub:
        provider, one, other = await hub.provider(), await hub.caller(), await hub.caller()
        await one.ask(key="k")
        await other.ask(key="k")
        await until(lambda: running(hub) == 2)
        await one.leave()
        await until(lambda: running(hub) == 1)
        await provider.reply("well")
        assert await other.answer() == "well"


async def test_the_last_who_leaves_cancels_it() -> None:
    async with site(spec()) as hub:
        provider, one, other = await hub.provider(), await hub.caller(), await hub.caller()
        await one.ask(key="k")
        await other.ask(key="k")
        await until(lambda: running(hub) == 2)
        invoke = await provider.next("invoke")
        await one.leave()
        await other.leave()
        assert await provider.next("cancel") == {"id": invoke["id"], "reason": "caller_gone"}
        await until(lambda: not hub.hub.router._keys._running)


async def test_what_failed_is_tried_again() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1", key="k")
        await provider.refuse("provider_error")
        assert (await caller.failure()).code == "provider_error"
        await caller.ask("2", key="k")
        await provider.reply("well")
        assert await caller.answer() == "well"


async def test_the_keys_of_two_callers_have_nothing_to_do_with_each_other() -> None:
    async with site(spec()) as hub:
        provider = await hub.provider()
        one = Request(Target(By.PROVIDER, "tool"), "add", key="k", caller="one")
        for caller in ("one", "other"):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hub.hub.router.invoke, replace(one, caller=caller))
                await provider.reply(caller)
        assert await hub.hub.router.invoke(one) == "one"


async def test_a_stream_carries_its_key_and_is_made_again_until_its_first_chunk() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(key="k", stream=True)
        assert (await provider.next("invoke"))["key"] == "k"
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {})
        assert (await (await hub.provider()).next("invoke"))["attempt"] == 2


# What is remembered is bounded.


async def carried(store: keys.Keys, key: str, result: Any) -> None:
    request = Request(Target(By.PROVIDER, "tool"), "add", key=key)
    store._remember(("me", key), keys.fingerprint(request), result)


async def test_the_oldest_results_make_room_by_number_by_size_and_by_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = keys.Keys(lambda *_: None)
    monkeypatch.setattr(keys, "MOST", 3)
    for number in range(5):
        await carried(store, str(number), "r")
    assert [key for _, key in store._finished] == ["2", "3", "4"]
    monkeypatch.setattr(keys, "MOST_BYTES", 100)
    await carried(store, "large", "x" * 97)
    assert [key for _, key in store._finished] == ["large"]
    monkeypatch.setattr(keys, "SECONDS", 0.0)
    await carried(store, "old", "r")
    store._finished.popitem(last=False)
    store._drop_old()
    assert not store._finished


async def test_who_waits_for_another_s_call_has_a_deadline_of_its_own() -> None:
    async with site(spec()) as hub:
        provider, one, other = await hub.provider(), await hub.caller(), await hub.caller()
        await one.ask(key="k")
        invoke = await provider.next("invoke")
        await other.ask(key="k", timeout=0.05)
        assert (await other.failure()).code == "deadline_exceeded"
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": "well"})
        assert await one.answer() == "well"


async def test_who_comes_as_the_last_one_leaves_is_carried_anew() -> None:
    """Seen to fail with a wait for what was being cancelled."""
    async with site(spec()) as hub:
        provider, router = await hub.provider(), hub.hub.router
        request = Request(Target(By.PROVIDER, "tool"), "add", key="k")
        leaves = asyncio.create_task(router.invoke(request))
        await provider.next("invoke")
        leaves.cancel()
        comes = asyncio.create_task(router.invoke(request))
        await provider.reply("well")
        assert await comes == "well"


async def test_what_a_revoked_token_was_answered_is_not_replayed_to_the_next_of_its_name() -> None:
    async with site(spec()) as hub:
        grant = Grant(name="ci", scopes=(Scope(Right.INVOKE, "*"),))
        hub.hub.registry.tokens.add(grant, digest("first"))
        provider, caller = await hub.provider(), await hub.peer(CLIENTS, "first")
        await caller.ask(key="k")
        await provider.reply("a secret of the first")
        await caller.answer()
        hub.hub.registry.tokens.revoke(grant)
        hub.hub.revoked(grant)
        hub.hub.registry.tokens.add(grant, digest("second"))
        other = await hub.peer(CLIENTS, "second")
        await other.ask(key="k")
        await provider.reply("asked anew")
        assert await other.answer() == "asked anew"

"""Two lives of one instance at once: each has its own token, calls and end.

And providers that come, change and go while others are connected.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from socketio.exceptions import ConnectionError as Refused

from gleitzeit_extensions.protocol import CLIENTS, PROVIDERS, CallError
from gleitzeitd.core.process import State
from gleitzeitd.core.spec import Check, CheckKind, Rules, Spec
from gleitzeitd.core.standing import Standing
from gleitzeitd.hub.access.tokens import Grant, Tokens
from tests.hub.peers import RUNNING, STARTING, Peer, Site, site, spec, twins, until

pytestmark = pytest.mark.anyio

STOPPED = replace(RUNNING, state=State.STOPPED, wanted=False)
UNASKED = replace(spec(), health=None)


async def life(hub: Site, generation: int, *, instance: str = "tool", leads: bool = True, **how: Any) -> Peer:
    """A generation of an instance, connected; `how` it stands differs from RUNNING."""
    token = hub.token(instance, generation)
    stands(hub, generation, instance=instance, leads=leads, **how)
    peer = await hub.peer(PROVIDERS, token)
    assert (await peer.register(name="tool"))["ok"]
    return peer


def stands(hub: Site, generation: int, *, instance: str = "tool", leads: bool = True, **how: Any) -> None:
    standing = replace(RUNNING, generation=generation, **how)
    hub.hub.registry.stands(instance, standing, leads=leads)


def waiting(hub: Site) -> int:
    return hub.waiting("tool")


def told(hub: Site, fact: str) -> list[tuple[Any, ...]]:
    return [found for found in hub.facts if found[0] == fact]


# Two at once.


async def test_two_lives_of_one_instance_are_both_called() -> None:
    async with site(spec()) as hub:
        older, caller = await life(hub, 1), await hub.caller()
        newer = await life(hub, 2, leads=False)
        for number in ("1", "2"):
            await caller.ask(number)
        for peer in (older, newer):
            await peer.reply("well")
            assert await caller.answer() == "well"
        assert told(hub, "registered") == [("registered", "tool", 1, True), ("registered", "tool", 2, True)]
        found = hub.hub.registry.registrations("tool")
        assert [r.grant.generation for r in found] == [2, 1], "the newest comes first"


async def test_the_older_life_drains_while_the_newer_is_called() -> None:
    """Seen to fail with a drain of the instance instead of the generation."""
    async with site(spec()) as hub:
        older, caller = await life(hub, 1), await hub.caller()
        await caller.ask("old")
        invoke = await older.next("invoke")
        newer = await life(hub, 2)
        hub.hub.drain("tool", 1, 600.0)
        assert await older.next("drain") == {"deadline_ms": 600_000}
        for number in ("1", "2", "3"):
            await caller.ask(number)
            await newer.reply(number)
            assert await caller.answer() == number
        assert told(hub, "drained") == []
        await older.say("result", {"id": invoke["id"], "ok": True, "result": "old"})
        assert await caller.answer() == "old"
        assert told(hub, "drained") == [("drained", "tool", 1)]
        assert "drain" not in newer.arrived


async def test_a_life_without_calls_has_drained_at_once() -> None:
    async with site(spec()) as hub:
        await life(hub, 1)
        await life(hub, 2)
        hub.hub.drain("tool", 1, 600.0)
        assert told(hub, "drained") == [("drained", "tool", 1)]


async def test_a_life_that_stops_is_not_called_any_more_and_the_other_is() -> None:
    async with site(spec()) as hub:
        older, caller = await life(hub, 1), await hub.caller()
        newer = await life(hub, 2)
        stands(hub, 1, leads=False, state=State.STOPPING, wanted=False)
        for number in ("1", "2"):
            await caller.ask(number)
            await newer.reply(number)
            assert await caller.answer() == number
        assert "invoke" not in older.arrived


async def test_the_end_of_one_life_loses_its_own_calls_only() -> None:
    """Seen to fail with a registry that finds connections by the name of the instance."""
    async with site(spec()) as hub:
        older, caller = await life(hub, 1), await hub.caller()
        await caller.ask("1")
        await older.next("invoke")
        newer = await life(hub, 2)
        await caller.ask("2")
        invoke = await newer.next("invoke")
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {"exit_status": -9})
        with pytest.raises(CallError, match='"tool" was lost during the call: killed by SIGKILL') as lost:
            await caller.answer()
        assert lost.value.code == "instance_lost"
        await newer.say("result", {"id": invoke["id"], "ok": True, "result": "well"})
        assert await caller.answer() == "well"
        await until(lambda: not older.client.connected)
        assert newer.client.connected


async def test_the_end_of_the_newer_life_leaves_the_older_as_it_was() -> None:
    async with site(spec()) as hub:
        older, caller = await life(hub, 1), await hub.caller()
        await life(hub, 2, leads=False)
        hub.hub.registry.exited("tool", 2, "exited with 1", {})
        stands(hub, 2, leads=False, state=State.BACKOFF)
        for number in ("1", "2"):
            await caller.ask(number)
            await older.reply(number)
            assert await caller.answer() == number


async def test_a_call_that_may_be_repeated_goes_from_the_life_that_ended_to_the_other() -> None:
    async with site(spec()) as hub:
        older, caller = await life(hub, 1), await hub.caller()
        await caller.ask(idempotent=True)
        await older.next("invoke")
        newer = await life(hub, 2)
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {})
        assert (await newer.reply("again"))["attempt"] == 2
        assert await caller.answer() == "again"


async def test_a_newer_connection_of_one_life_leaves_that_of_the_other() -> None:
    """Seen to fail with a newer connection that takes the place of all of its instance."""
    async with site(spec()) as hub:
        older = await life(hub, 1)
        token = hub.token("tool", 2)
        first, second = await hub.peer(PROVIDERS, token), await hub.peer(PROVIDERS, token)
        for peer in (first, second):
            assert (await peer.register(name="tool"))["ok"]
        await until(lambda: not first.client.connected)
        assert [r.grant.generation for r in hub.hub.registry.registrations("tool")] == [2, 1]
        assert older.client.connected


async def test_two_lives_may_be_those_of_one_of_several_instances() -> None:
    async with site(twins()) as hub:
        for instance, generation in (("tool#1", 1), ("tool#1", 2), ("tool#2", 1)):
            await life(hub, generation, instance=instance)
        hub.hub.registry.exited("tool#1", 1, "exited with 0", {})
        found = hub.hub.registry.registrations
        assert [r.grant for r in found("tool#1")] == [Grant("tool#1", 2)]
        assert {r.grant for r in found("tool")} == {Grant("tool#1", 2), Grant("tool#2", 1)}


# Tokens.


async def test_a_token_is_good_for_its_own_life_only() -> None:
    async with site(spec()) as hub:
        older, newer = hub.token("tool", 1), hub.token("tool", 2)
        tokens = hub.hub.registry.tokens
        assert tokens.check(older) == Grant("tool", 1)
        assert tokens.check(newer) == Grant("tool", 2)
        peer = await hub.peer(PROVIDERS, newer)
        await peer.register(name="tool")
        assert told(hub, "registered") == [("registered", "tool", 2, True)]


async def test_a_token_ends_with_its_life_and_leaves_that_of_the_other() -> None:
    """Seen to fail with tokens that are revoked by the name of the instance."""
    async with site(spec()) as hub:
        older, newer = hub.token("tool", 1), hub.token("tool", 2)
        hub.hub.registry.exited("tool", 1, "exited with 0", {})
        with pytest.raises(Refused):
            await hub.peer(PROVIDERS, older)
        assert hub.refusals[-1]["data"]["code"] == "unauthenticated"
        assert (await (await hub.peer(PROVIDERS, newer)).register(name="tool"))["ok"]


@pytest.mark.parametrize("state", [State.STOPPED, State.FATAL, State.EXITED, State.BACKOFF, State.WAITING])
async def test_a_life_that_could_not_be_spawned_leaves_no_token(state: State) -> None:
    async with site(spec()) as hub:
        token = hub.token("tool", 2)
        stands(hub, 2, leads=False, state=state)
        assert hub.hub.registry.tokens.check(token) is None
        assert hub.hub.registry.spec_of(Grant("tool", 2)) is None


async def test_a_life_that_is_over_cannot_register_on_a_connection_that_it_kept_open() -> None:
    async with site(spec()) as hub:
        peer = await hub.peer(PROVIDERS, hub.token("tool", 1))
        hub.hub.registry.exited("tool", 1, "exited with 0", {})
        await until(lambda: not peer.client.connected)
        assert hub.hub.registry.registrations("tool") == []


def test_a_token_that_is_issued_anew_takes_the_place_of_the_older() -> None:
    tokens = Tokens("local")
    first, other = tokens.issue("tool", 1), tokens.issue("tool", 2)
    second = tokens.issue("tool", 1)
    assert (tokens.check(first), tokens.check(second)) == (None, Grant("tool", 1))
    assert tokens.check(other) == Grant("tool", 2)
    tokens.revoke(Grant("tool", 1))
    tokens.revoke(Grant("tool", 1))
    assert (tokens.check(second), tokens.check(other)) == (None, Grant("tool", 2))


# One that is to take another's place.


async def test_a_candidate_whose_ready_check_has_not_passed_gets_no_calls() -> None:
    """Seen to fail with a registration that takes heed of who leads instead of its own life."""
    checked = replace(spec(), rules=Rules(checked=True))
    async with site(checked) as hub:
        leading, caller = await life(hub, 1), await hub.caller()
        candidate = await life(hub, 2, leads=False, state=State.STARTING, fit=False)
        for number in ("1", "2", "3"):
            await caller.ask(number)
        for _ in range(3):
            await leading.reply("well")
            assert await caller.answer() == "well"
        assert "invoke" not in candidate.arrived
        stands(hub, 2, leads=False)
        for number in ("4", "5"):
            await caller.ask(number)
        await candidate.reply("well")
        await leading.reply("well")


async def test_a_candidate_is_not_called_before_its_check_even_if_nothing_was_said_of_it_yet() -> None:
    checked = replace(spec(), rules=Rules(checked=True))
    async with site(checked) as hub:
        caller, candidate = await hub.caller(), await hub.peer(PROVIDERS, hub.token("tool", 2))
        assert (await candidate.register(name="tool"))["ok"]
        await caller.ask()
        await until(lambda: waiting(hub) == 1)
        stands(hub, 2)
        await candidate.reply("well")
        assert await caller.answer() == "well"


async def test_calls_wait_by_how_the_leading_life_stands_whatever_the_others_do() -> None:
    async with site(spec()) as hub:
        caller = await hub.caller()
        await caller.ask("1")
        await until(lambda: waiting(hub) == 1)
        stands(hub, 2, leads=False, state=State.FATAL, reason="no key")
        assert waiting(hub) == 1
        stands(hub, 1, state=State.FATAL, reason="no disk")
        with pytest.raises(CallError, match='"tool" is FATAL: no disk'):
            await caller.answer()


# What is wanted of a provider changes while it is connected.


def slots(hub: Site) -> list[int]:
    return [registration.slots for registration in hub.hub.registry.registrations("tool")]


async def test_all_that_is_connected_takes_over_its_slots() -> None:
    async with site(spec(concurrency=1)) as hub:
        older, caller = await life(hub, 1), await hub.caller()
        newer = await life(hub, 2)
        for number in range(4):
            await caller.ask(str(number))
        await until(lambda: waiting(hub) == 2)
        hub.hub.know(spec(concurrency=2))
        assert slots(hub) == [2, 2]
        for peer in (older, newer):
            await peer.next("invoke")
            await peer.next("invoke")
        assert waiting(hub) == 0


async def test_what_registers_later_has_the_slots_that_are_wanted_then() -> None:
    async with site(spec(concurrency=1)) as hub:
        token = hub.token("tool", 1)
        hub.hub.know(spec(concurrency=7))
        peer = await hub.peer(PROVIDERS, token)
        await peer.register(name="tool")
        assert slots(hub) == [7]


async def test_fewer_slots_take_no_call_away() -> None:
    async with site(spec(concurrency=2)) as hub:
        provider, caller = await life(hub, 1), await hub.caller()
        for number in ("1", "2"):
            await caller.ask(number)
        first, second = await provider.next("invoke"), await provider.next("invoke")
        hub.hub.know(spec(concurrency=1))
        await caller.ask("3")
        await until(lambda: waiting(hub) == 1)
        await provider.say("result", {"id": second["id"], "ok": True, "result": "two"})
        assert await caller.answer() == "two"
        assert waiting(hub) == 1
        await provider.say("result", {"id": first["id"], "ok": True, "result": "one"})
        await provider.reply("three")
        assert [await caller.answer() for _ in range(2)] == ["one", "three"]


async def test_a_queue_takes_over_its_limit() -> None:
    async with site(spec(queue=1)) as hub:
        caller = await hub.caller()
        await caller.ask("1")
        await until(lambda: waiting(hub) == 1)
        hub.hub.know(spec(queue=2))
        await caller.ask("2")
        await until(lambda: waiting(hub) == 2)
        await caller.ask("3")
        with pytest.raises(CallError, match='2 calls wait for "tool" already'):
            await caller.answer()


def asked_every(seconds: float) -> Spec:
    return replace(spec(), health=Check(interval=seconds, timeout=5.0))


async def test_what_was_never_asked_how_it_is_is_asked_from_then_on() -> None:
    async with site(UNASKED) as hub:
        provider = await life(hub, 1)
        hub.hub.know(asked_every(0.01))
        assert "id" in await provider.next("health")


async def test_what_is_asked_seldom_is_asked_as_often_as_is_wanted_then() -> None:
    """Seen to fail with the check that it registered with."""
    async with site(asked_every(3600)) as hub:
        older, newer = await life(hub, 1), await life(hub, 2)
        hub.hub.know(asked_every(0.01))
        for peer in (older, newer):
            for _ in range(3):
                asked = await peer.next("health")
                await peer.say("health", {"id": asked["id"], "ok": True, "result": {"healthy": True}})


@pytest.mark.parametrize("health", [None, Check(CheckKind.TCP, port=1)], ids=["no check", "another's check"])
async def test_what_is_not_to_be_asked_any_more_is_left_alone(health: Check | None) -> None:
    async with site(asked_every(3600)) as hub:
        await life(hub, 1)
        watches = hub.hub._providers._watches
        (watched,) = watches.values()
        hub.hub.know(replace(spec(), health=health))
        assert (watches, watched.scope.cancel_called) == ({}, True)


async def test_what_is_asked_as_it_is_wanted_already_is_not_disturbed() -> None:
    async with site(asked_every(3600)) as hub:
        await life(hub, 1)
        before = dict(hub.hub._providers._watches)
        hub.hub.know(replace(asked_every(3600), description="another"))
        assert hub.hub._providers._watches == before
        assert not any(watched.scope.cancel_called for watched in before.values())


async def test_what_runs_keeps_what_takes_a_new_life() -> None:
    """A class that becomes a command does not become one before it is replaced."""
    async with site(spec()) as hub:
        token = hub.token("tool", 1)
        hub.hub.know(replace(spec(), type="llm", description="another"))
        found = hub.hub.registry.spec_of(Grant("tool", 1))
        assert found is not None
        assert (found.type, found.description) == ("tool", "")
        peer = await hub.peer(PROVIDERS, token)
        assert (await peer.register(name="tool"))["ok"]


async def test_a_provider_that_is_new_can_be_waited_for_and_called() -> None:
    async with site() as hub:
        caller = await hub.caller()
        await caller.ask("1")
        with pytest.raises(CallError, match='there is no provider "tool"'):
            await caller.answer()
        hub.hub.know(spec())
        hub.hub.registry.stands("tool", STARTING)
        await caller.ask("2")
        await until(lambda: waiting(hub) == 1)
        provider = await life(hub, 1)
        await provider.reply("well")
        assert await caller.answer() == "well"


async def test_more_instances_have_names_and_fewer_have_none() -> None:
    async with site(spec()) as hub:
        registry = hub.hub.registry
        hub.hub.know(twins())
        assert registry.spec("tool#2") == registry.spec("tool") == twins()
        hub.hub.know(spec())
        for name in ("tool#1", "tool#2"):
            registry.retire(name)
        assert registry.spec("tool#2") is None
        with pytest.raises(CallError, match='there is no provider "tool#2"'):
            registry.demand("tool#2")


async def test_an_external_provider_whose_name_the_config_takes_is_sent_away() -> None:
    """Seen to fail with a name that two had."""
    async with site() as hub:
        external, caller = await hub.provider("tool"), await hub.caller()
        await caller.ask("1")
        await external.next("invoke")
        hub.hub.know(spec())
        hub.hub.registry.stands("tool", STARTING)
        with pytest.raises(CallError) as lost:
            await caller.answer()
        assert lost.value.code == "instance_lost"
        await until(lambda: not external.client.connected)
        assert hub.hub.registry.registrations("tool") == []
        again = await hub.peer(PROVIDERS)
        answer = await again.register(name="tool")
        assert answer["error"]["code"] == "forbidden"
        own = await life(hub, 1)
        await caller.ask("2")
        await own.reply("well")
        assert await caller.answer() == "well"


async def test_an_external_provider_of_another_name_stays() -> None:
    async with site() as hub:
        external = await hub.provider("other")
        hub.hub.know(spec())
        await external.say("update", {"description": "still here"})
        await until(lambda: hub.hub.registry.registrations("other")[0].offer.description == "still here")


# Providers that go.


async def test_what_is_forgotten_is_not_found() -> None:
    async with site(spec(), spec("alone")) as hub:
        caller = await hub.peer(CLIENTS)
        stands(hub, 0, state=State.STOPPED, wanted=False)
        hub.hub.registry.forget("tool")
        await caller.ask()
        with pytest.raises(CallError, match='there is no provider "tool"') as failure:
            await caller.answer()
        assert failure.value.code == "not_found.provider"
        assert hub.hub.registry.spec("tool") is None


async def test_calls_that_wait_for_what_is_forgotten_fail() -> None:
    async with site(spec()) as hub:
        caller = await hub.caller()
        await caller.ask()
        await until(lambda: waiting(hub) == 1)
        hub.hub.registry.forget("tool")
        with pytest.raises(CallError, match='"tool" is not connected'):
            await caller.answer()
        with pytest.raises(CallError, match='there is no provider "tool"'):
            hub.hub.registry.demand("tool")


async def test_what_is_forgotten_and_stands_in_the_file_is_called_disabled() -> None:
    async with site(spec()) as hub:
        hub.hub.registry.disable(frozenset({"tool"}))
        hub.hub.registry.forget("tool")
        with pytest.raises(CallError, match='"tool" is disabled in the config file') as failure:
            hub.hub.registry.demand("tool")
        assert failure.value.code == "no_instance"
        hub.hub.registry.disable(frozenset())
        with pytest.raises(CallError, match='there is no provider "tool"'):
            hub.hub.registry.demand("tool")


async def test_a_name_that_is_forgotten_is_free_for_an_external_provider() -> None:
    async with site(spec()) as hub:
        hub.hub.registry.forget("tool")
        external, caller = await hub.provider("tool"), await hub.caller()
        await caller.ask()
        await external.reply("well")
        assert await caller.answer() == "well"


async def test_what_comes_back_after_it_was_forgotten_is_as_new() -> None:
    async with site(spec(queue=1)) as hub:
        first = await life(hub, 1)
        hub.hub.registry.exited("tool", 1, "exited with 0", {})
        await until(lambda: not first.client.connected)
        hub.hub.registry.forget("tool")
        hub.hub.know(spec(queue=2, concurrency=3))
        hub.hub.registry.stands("tool", Standing(State.STARTING, True, None, "", registers=True))
        caller, provider = await hub.caller(), await life(hub, 1)
        assert slots(hub) == [3]
        await caller.ask()
        await provider.reply("well")
        assert await caller.answer() == "well"

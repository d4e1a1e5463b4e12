"""Several instances of one provider: calls are spread over all, or sent to one, and each fails for itself."""

from __future__ import annotations

import pytest

from gleitzeit_extensions.protocol import CLIENTS, PROVIDERS, CallError
from gleitzeitd.core.process import State
from gleitzeitd.core.standing import Standing
from gleitzeitd.hub.access.tokens import Grant
from tests.hub.peers import Peer, Site, site, spec, twins, until

pytestmark = pytest.mark.anyio

STOPPED = Standing(State.STOPPED, False, None, "", registers=True, generation=1)
STOPPING = Standing(State.STOPPING, False, None, "", registers=True, generation=1)
FATAL = Standing(State.FATAL, True, None, "no key", registers=True, generation=1)


async def both(hub: Site) -> tuple[Peer, Peer]:
    return await hub.provider("tool#1"), await hub.provider("tool#2")


async def waiting(hub: Site, calls: int) -> None:
    await until(lambda: hub.waiting("tool") == calls)


async def test_each_instance_registers_under_its_provider_s_name_and_is_told_by_its_own() -> None:
    async with site(twins()) as hub:
        await both(hub)
        assert hub.facts == [("registered", "tool#1", 1, True), ("registered", "tool#2", 1, True)]
        found = hub.hub.registry.registrations
        assert [r.instance for r in found("tool")] == ["tool#1", "tool#2"]
        assert [r.instance for r in found("tool#2")] == ["tool#2"]
        assert {r.name for r in found()} == {"tool"}


async def test_an_instance_that_registers_under_its_own_name_is_refused() -> None:
    async with site(twins()) as hub:
        peer = await hub.peer(PROVIDERS, hub.token("tool#2", 1))
        answer = await peer.register(name="tool#2")
        sentence = 'this process is "tool" in the config file but registers as "tool#2"'
        assert (answer["error"]["code"], answer["error"]["message"]) == ("forbidden", sentence)


async def test_calls_for_the_provider_are_spread_over_its_instances() -> None:
    async with site(twins()) as hub:
        (first, second), caller = await both(hub), await hub.caller()
        for number in range(4):
            await caller.ask(str(number))
        for provider in (first, second):
            await provider.next("invoke")
            await provider.next("invoke")


async def test_a_call_for_one_instance_goes_to_that_one_alone() -> None:
    """Seen to fail with a line that places every call with the roomiest of all."""
    async with site(twins(concurrency=1)) as hub:
        (first, second), caller = await both(hub), await hub.caller()
        for number in ("1", "2"):
            await caller.ask(number, provider="tool#2")
        invoke = await second.next("invoke")
        await waiting(hub, 1)
        assert "invoke" not in first.arrived
        await second.say("result", {"id": invoke["id"], "ok": True, "result": "one"})
        await second.reply("two")
        assert [await caller.answer() for _ in range(2)] == ["one", "two"]


async def test_a_call_is_counted_with_the_instance_that_had_it_else_with_the_provider() -> None:
    async with site(twins()) as hub:
        (_, second), caller = await both(hub), await hub.caller()
        await caller.ask("1", provider="tool#2")
        await second.reply("one")
        await caller.answer()
        await second.leave()
        hub.hub.registry.stands("tool#2", STOPPED)
        await caller.ask("2", provider="tool#2")
        with pytest.raises(CallError):
            await caller.answer()

        series = dict(hub.hub.meter.series())["tool"]
        assert {name: tally.calls for name, tally in series.tallies.items()} == {"tool#2": 1, "tool": 1}


async def test_calls_that_wait_for_one_instance_hold_up_no_others() -> None:
    """Seen to fail with one queue for all addresses, whose first stands in the way of the rest."""
    async with site(twins(concurrency=1)) as hub:
        (first, second), caller = await both(hub), await hub.caller()
        for number in ("1", "2"):
            await caller.ask(number, provider="tool#2")
        await waiting(hub, 1)
        for number in ("3", "4"):
            await caller.ask(number)
        await waiting(hub, 2)
        await first.reply("three")
        assert await caller.answer() == "three"
        assert (await first.next("invoke"))["attempt"] == 1
        assert second.arrived["invoke"].qsize() == 1


async def test_who_came_first_is_placed_first_whatever_the_address() -> None:
    """Seen to fail with the calls for an instance preferred to those for its provider."""
    async with site(twins(concurrency=1)) as hub:
        (first, _), caller = await both(hub), await hub.caller()
        for number in ("1", "2"):
            await caller.ask(number, provider=f"tool#{number}")
        await caller.ask("3", args={"came": "third"})
        await caller.ask("4", provider="tool#1", args={"came": "fourth"})
        await waiting(hub, 2)
        await first.reply("one")
        assert (await first.reply("three"))["args"] == {"came": "third"}
        assert (await first.reply("four"))["args"] == {"came": "fourth"}


async def test_the_queue_s_limit_is_that_of_all_addresses_together() -> None:
    async with site(twins(concurrency=1, queue=2)) as hub:
        await both(hub)
        caller = await hub.caller()
        for number in range(4):
            await caller.ask(str(number), provider="tool#1" if number % 2 else "tool")
        await caller.ask("more", provider="tool#2")
        with pytest.raises(CallError, match='2 calls wait for "tool" already'):
            await caller.answer()


async def test_an_instance_that_is_lost_takes_only_its_own_calls_with_it() -> None:
    """Seen to fail with a registry that finds a generation's connections by the provider's name."""
    async with site(twins()) as hub:
        (first, second), caller = await both(hub), await hub.caller()
        await caller.ask("1", provider="tool#1")
        await caller.ask("2", provider="tool#2")
        await first.next("invoke")
        hub.hub.registry.exited("tool#1", 1, "killed by SIGKILL", {})
        with pytest.raises(CallError, match='"tool#1" was lost during the call: killed by SIGKILL'):
            await caller.answer()
        await second.reply("well")
        assert await caller.answer() == "well"


async def test_a_call_that_may_be_repeated_is_made_again_at_another_instance() -> None:
    async with site(twins()) as hub:
        first, caller = await hub.provider("tool#1"), await hub.caller()
        await caller.ask(idempotent=True)
        await first.next("invoke")
        second = await hub.provider("tool#2")
        hub.hub.registry.exited("tool#1", 1, "killed by SIGKILL", {})
        assert (await second.reply("again"))["attempt"] == 2
        assert await caller.answer() == "again"


async def test_one_instance_drains_while_the_other_is_called() -> None:
    """Seen to fail with a drain of every connection of the provider."""
    async with site(twins()) as hub:
        (first, second), caller = await both(hub), await hub.caller()
        await caller.ask("1", provider="tool#1")
        await first.next("invoke")
        hub.hub.drain("tool#1", 1, 5.0)
        await first.next("drain")
        for number in ("2", "3"):
            await caller.ask(number)
            await second.reply(number)
            assert await caller.answer() == number
        assert not [fact for fact in hub.facts if fact[0] == "drained"]
        hub.hub.drain("tool#2", 1, 5.0)
        assert [fact for fact in hub.facts if fact[0] == "drained"] == [("drained", "tool#2", 1)]


async def test_calls_fail_only_when_the_last_instance_gives_up() -> None:
    async with site(twins()) as hub:
        caller = await hub.caller()
        await caller.ask()
        await waiting(hub, 1)
        hub.hub.registry.stands("tool#1", FATAL)
        await caller.ask("2", provider="tool#1")
        with pytest.raises(CallError, match='"tool#1" is FATAL: no key'):
            await caller.answer()
        assert hub.waiting("tool") == 1
        hub.hub.registry.stands("tool#2", STOPPED)
        with pytest.raises(CallError, match='no instance of "tool" is up in time: "tool#1" is FATAL: no key'):
            await caller.answer()


async def test_an_instance_that_stops_leaves_the_other_as_it_was() -> None:
    async with site(twins()) as hub:
        (first, second), caller = await both(hub), await hub.caller()
        hub.hub.registry.stands("tool#1", STOPPING)
        for number in ("1", "2"):
            await caller.ask(number)
            await second.next("invoke")
        assert "invoke" not in first.arrived


async def test_the_token_of_one_instance_outlives_that_of_another() -> None:
    async with site(twins()) as hub:
        tokens = hub.hub.registry.tokens
        first, second = tokens.issue("tool#1", 1), tokens.issue("tool#2", 1)
        tokens.revoke(Grant("tool#1", 1))
        assert (tokens.check(first), bool(tokens.check(second))) == (None, True)


async def test_a_newer_connection_of_one_instance_leaves_that_of_the_other() -> None:
    async with site(twins()) as hub:
        _, second = await both(hub)
        await hub.provider("tool#1")
        await until(lambda: len(hub.hub.registry.registrations("tool")) == 2)
        assert second.client.connected


@pytest.mark.parametrize(
    ("address", "hint"), [("tool#3", 'did you mean "tool#'), ("alone#1", 'did you mean "alone"?')]
)
async def test_an_instance_that_is_not_there_is_told_by_name(address: str, hint: str) -> None:
    async with site(twins(), spec("alone")) as hub:
        caller = await hub.peer(CLIENTS)
        await caller.ask(provider=address)
        with pytest.raises(CallError, match=f'there is no provider "{address}"') as failure:
            await caller.answer()
        assert hint in failure.value.message

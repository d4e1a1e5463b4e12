"""What becomes of calls that an instance fails: moved, made again, given to a fallback, or answered."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from gleitzeitd.core.spec import Spec
from tests.hub.peers import Peer, Site, site, spec, twins, until

pytestmark = pytest.mark.anyio
REPEATABLE = {"methods": [{"name": "add", "idempotent": True}]}


async def both(hub: Site, **offer: Any) -> tuple[Peer, Peer]:
    return await hub.provider("tool#1", **offer), await hub.provider("tool#2", **offer)


async def whoever_was_asked(*peers: Peer) -> tuple[Peer, Peer]:
    """Who has the call, and the other."""
    await until(lambda: any("invoke" in peer.arrived for peer in peers))
    first, second = peers if "invoke" in peers[0].arrived else reversed(peers)
    return first, second


# To another instance.


@pytest.mark.parametrize("code", ["rate_limited", "overloaded", "no_instance"])
async def test_what_an_instance_refused_to_begin_goes_to_another_whoever_asks(code: str) -> None:
    async with site(twins()) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask()
        asked, other = await whoever_was_asked(*peers)
        await asked.refuse(code)
        assert (await other.reply("well"))["attempt"] == 2
        assert await caller.answer() == "well"


async def test_what_an_instance_refused_waits_for_another_that_is_only_busy() -> None:
    async with site(twins(concurrency=1)) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask("1")
        busy, free = await whoever_was_asked(*peers)
        await caller.ask("2")
        await free.refuse("overloaded")
        await until(lambda: hub.waiting() == 1)

        await caller.ask("3")
        await free.reply("the third")
        assert await caller.answer() == "the third", "nobody else waits for the busy one"
        assert "invoke" not in free.arrived or free.arrived["invoke"].empty()
        await busy.reply("the first")
        assert await caller.answer() == "the first"
        assert (await busy.reply("the second"))["attempt"] == 2
        assert await caller.answer() == "the second"


async def test_those_behind_a_call_that_was_refused_are_not_held_up_by_it() -> None:
    async with site(twins(concurrency=1)) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask("1")
        _, other = await whoever_was_asked(*peers)
        await caller.ask("2")
        await caller.ask("3")
        await until(lambda: hub.waiting() == 1)
        await other.refuse("overloaded")
        await other.reply("the third")
        assert await caller.answer() == "the third"
        assert hub.waiting() == 1


@pytest.mark.parametrize("how", ["not ready", "degraded"])
async def test_what_an_instance_refused_is_its_own_again_when_there_is_no_other(how: str) -> None:
    async with site(twins(concurrency=1)) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask("1")
        busy, free = await whoever_was_asked(*peers)
        await caller.ask("2")
        await free.refuse("overloaded")
        await until(lambda: hub.waiting() == 1)
        (other,) = [one for one in hub.hub.registry.registrations() if one.calls]
        if how == "degraded":
            hub.hub.registry.set_degraded(other, True)
        else:
            await busy.say("not_ready", {})
        assert (await free.reply("the second"))["attempt"] == 2
        assert await caller.answer() == "the second"


async def test_an_instance_that_says_when_it_may_be_asked_again_is_asked_again_then() -> None:
    async with site(twins(concurrency=1)) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask("1")
        _, free = await whoever_was_asked(*peers)
        await caller.ask("2")
        begun = anyio.current_time()
        await free.refuse("overloaded", retry_after=0.2)
        assert (await free.reply("the second"))["attempt"] == 2
        assert anyio.current_time() - begun >= 0.2
        assert await caller.answer() == "the second"


async def test_what_the_only_instance_refused_comes_back_as_it_was_said() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(idempotent=True)
        await provider.refuse("rate_limited", "slow down", retry_after=7)
        error = await caller.failure()
        assert (error.code, error.message, error.detail) == ("rate_limited", "slow down", {"retry_after": 7})


@pytest.mark.parametrize(
    ("how", "offer"),
    [({"idempotent": True}, {}), ({"key": "k"}, {}), ({}, REPEATABLE)],
    ids=["the caller's flag", "the caller's key", "the registered method"],
)
async def test_trouble_of_an_instance_is_not_seen_by_who_may_be_served_twice(
    how: dict[str, Any], offer: dict[str, Any]
) -> None:
    async with site(twins()) as hub:
        peers, caller = await both(hub, **offer), await hub.caller()
        await caller.ask(**how)
        asked, other = await whoever_was_asked(*peers)
        await asked.refuse("unavailable")
        await other.reply("well")
        assert await caller.answer() == "well"


@pytest.mark.parametrize("code", ["unavailable", "protocol", "stalled"])
async def test_trouble_with_what_may_have_begun_is_told_at_once(code: str) -> None:
    async with site(twins()) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask()
        asked, other = await whoever_was_asked(*peers)
        await asked.refuse(code)
        assert (await caller.failure()).code == code
        assert "invoke" not in other.arrived


@pytest.mark.parametrize("code", ["provider_error", "invalid_request", "context_too_long", "made_up"])
async def test_a_provider_s_own_answer_is_never_asked_for_again(code: str) -> None:
    async with site(twins()) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask(idempotent=True)
        asked, other = await whoever_was_asked(*peers)
        await asked.refuse(code, "my own words")
        error = await caller.failure()
        assert (error.code, error.message) == (code, "my own words")
        assert "invoke" not in other.arrived


async def test_the_only_instance_is_given_it_again_after_a_moment_three_times_in_all() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        begun = anyio.current_time()
        await caller.ask(idempotent=True)
        attempts = [(await provider.refuse("unavailable"))["attempt"] for _ in range(3)]
        assert attempts == [1, 2, 3]
        assert anyio.current_time() - begun >= 0.3
        assert (await caller.failure()).code == "unavailable"


async def test_retries_have_a_budget_and_lost_instances_cost_nothing_of_it() -> None:
    async with site(twins(concurrency=1000)) as hub:
        peers, caller = await both(hub), await hub.caller()
        budgets = hub.hub.router._desk.budgets
        for number in range(30):
            budgets.retried("tool", hub.hub.registry.registrations()[0].since + number / 1000)
        await caller.ask("1", idempotent=True)
        asked, other = await whoever_was_asked(*peers)
        await asked.refuse("unavailable")
        assert (await caller.failure()).code == "unavailable"
        await caller.ask("2", idempotent=True)
        await other.next("invoke")
        hub.hub.registry.exited("tool#2" if other is peers[1] else "tool#1", 1, "killed by SIGKILL", {})
        await asked.reply("well")
        assert await caller.answer() == "well"


async def test_a_retry_prefers_an_instance_that_did_not_have_it_yet() -> None:
    """Seen to fail with the least busy one, be it the one that just failed."""
    async with site(twins()) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask("busy", provider="tool#2")
        await peers[1].next("invoke")
        await caller.ask(idempotent=True)
        await peers[0].refuse("unavailable")
        await peers[1].reply("well")
        assert await caller.answer() == "well"


# Streams.


async def test_a_stream_of_a_model_changes_hands_until_its_first_chunk() -> None:
    llm = Spec("tool", "llm", spec().target, instances=2)
    async with site(llm) as hub:
        peers, caller = await both(hub), await hub.caller()
        await caller.ask(stream=True)
        asked, other = await whoever_was_asked(*peers)
        invoke = await asked.next("invoke")
        await asked.say(
            "end", {"id": invoke["id"], "seq": 0, "error": {"code": "unavailable", "message": "no"}}
        )
        again = await other.next("invoke")
        await other.say("chunk", {"id": again["id"], "seq": 0, "d": ["first"]})
        assert (await caller.next("chunk"))["d"] == ["first"]
        await other.say(
            "end", {"id": again["id"], "seq": 1, "error": {"code": "unavailable", "message": "gone"}}
        )
        assert (await caller.next("end"))["error"]["message"] == "gone"
        assert asked.arrived["invoke"].empty()


async def test_a_stream_that_is_silent_for_too_long_is_cancelled_and_said_to_have_stalled() -> None:
    async with site(spec(stall_timeout=0.5)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(stream=True, timeout=60)
        invoke = await provider.next("invoke")
        await provider.say("chunk", {"id": invoke["id"], "seq": 0, "d": [1]})
        end = await caller.next("end")
        assert (end["error"]["code"], end["seq"]) == ("stalled", 1)
        assert (await provider.next("cancel"))["id"] == invoke["id"]


# Fallbacks.


def chain(*targets: str, **classes: tuple[str, ...]) -> Spec:
    return spec("a", fallbacks={"default": targets, **classes})


async def test_what_a_provider_cannot_do_now_goes_down_its_chain_in_order() -> None:
    async with site(chain("b", "small"), spec("b"), spec("c")) as hub:
        a, b = await hub.provider("a"), await hub.provider("b")
        c, caller = await hub.provider("c", models=["small"]), await hub.caller()
        await caller.ask(provider="a")
        await a.refuse("overloaded")
        await b.refuse("rate_limited")
        invoke = await c.reply("well")
        assert (invoke["model"], invoke["attempt"]) == ("small", 3)
        assert await caller.answer() == "well"


async def test_only_the_chain_of_the_first_target_counts() -> None:
    async with site(chain("b"), spec("b", fallbacks={"default": ("c",)}), spec("c")) as hub:
        a, b, c = [await hub.provider(name) for name in ("a", "b", "c")]
        caller = await hub.caller()
        await caller.ask(provider="a")
        await a.refuse("overloaded")
        await b.refuse("overloaded", "b is full")
        assert (await caller.failure()).message == "b is full"
        assert "invoke" not in c.arrived


async def test_a_class_of_errors_has_a_chain_of_its_own() -> None:
    async with site(chain("b", context_too_long=("c",)), spec("b"), spec("c")) as hub:
        a, b, c = [await hub.provider(name) for name in ("a", "b", "c")]
        caller = await hub.caller()
        await caller.ask(provider="a")
        await a.refuse("context_too_long")
        await c.reply("well")
        assert await caller.answer() == "well"
        assert "invoke" not in b.arrived


async def test_a_provider_that_is_down_has_its_calls_answered_by_its_fallback() -> None:
    async with site(chain("b"), spec("b")) as hub:
        await hub.provider("a")
        b, caller = await hub.provider("b"), await hub.caller()
        hub.hub.registry.exited("a", 1, "killed by SIGKILL", {})
        hub.hub.registry.retire("a")
        await caller.ask(provider="a")
        await b.reply("well")
        assert await caller.answer() == "well"


async def test_what_may_have_begun_and_not_be_done_twice_never_falls_back() -> None:
    async with site(chain("b"), spec("b")) as hub:
        a, b, caller = await hub.provider("a"), await hub.provider("b"), await hub.caller()
        await caller.ask(provider="a")
        await a.refuse("unavailable")
        assert (await caller.failure()).code == "unavailable"
        assert "invoke" not in b.arrived


async def test_a_fallback_that_nobody_has_is_passed_over() -> None:
    """Seen to fail with the chain ended by it."""
    async with site(chain("nobody", "b", "nothing"), spec("b")) as hub:
        a, b, caller = await hub.provider("a"), await hub.provider("b"), await hub.caller()
        await caller.ask("1", provider="a")
        await a.refuse("overloaded")
        await b.reply("well")
        assert await caller.answer() == "well"
        await caller.ask("2", provider="a")
        await a.refuse("overloaded")
        await b.refuse("overloaded", "b is full")
        assert (await caller.failure()).message == "b is full"


async def test_a_deadline_is_one_for_the_whole_chain() -> None:
    async with site(chain("b"), spec("b")) as hub:
        a, b, caller = await hub.provider("a"), await hub.provider("b"), await hub.caller()
        await caller.ask(provider="a", timeout=0.6)
        await a.refuse("overloaded")
        assert (await b.next("invoke"))["deadline_ms"] <= 600
        assert (await caller.failure()).code == "deadline_exceeded"
        assert (await b.next("cancel"))["reason"] == "deadline"


async def test_a_stream_falls_back_until_its_first_chunk() -> None:
    async with site(chain("b"), spec("b")) as hub:
        a, b, caller = await hub.provider("a"), await hub.provider("b"), await hub.caller()
        await caller.ask(provider="a", stream=True)
        await a.refuse("overloaded")
        invoke = await b.next("invoke")
        await b.say("chunk", {"id": invoke["id"], "seq": 0, "d": ["first"]})
        await b.say("end", {"id": invoke["id"], "seq": 1})
        assert (await caller.next("chunk"))["d"] == ["first"]
        assert "error" not in await caller.next("end")


# What is counted.


async def test_every_end_retry_and_fallback_is_counted_for_who_answered() -> None:
    async with site(chain("b"), spec("b")) as hub:
        a, b, caller = await hub.provider("a"), await hub.provider("b"), await hub.caller()
        await caller.ask("1", provider="a", idempotent=True)
        await a.refuse("unavailable")
        await b.refuse("unavailable")
        await b.reply("well")
        await caller.answer()
        await caller.ask("2", provider="nobody")
        await caller.failure()
        series = dict(hub.hub.meter.series())
        assert series["a"].fallbacks == {"b": 1}
        assert series["b"].retries == {"unavailable": 1}
        assert series["b"].calls == {("invoke", "ok"): 1}
        assert series[""].calls == {("invoke", "not_found.provider"): 1}


async def test_a_call_does_not_wait_for_a_breaker_when_it_has_a_fallback() -> None:
    """Seen to fail: a longer timeout gave a later answer."""
    async with site(chain("b"), spec("b")) as hub:
        a, b, caller = await hub.provider("a"), await hub.provider("b"), await hub.caller()
        await caller.ask("1", provider="a")
        await a.refuse("rate_limited", "enough", retry_after=60)
        await b.reply("first")
        assert await caller.answer() == "first"
        await caller.ask("2", provider="a", timeout=300)
        await b.reply("second")
        assert await caller.answer() == "second"


async def test_what_fell_back_in_vain_is_counted_for_who_failed_it() -> None:
    """Seen to fail: the fallback was blamed, though it never had the call."""
    async with site(chain("b"), spec("b")) as hub:
        a, caller = await hub.provider("a"), await hub.caller()
        await hub.provider("b", methods=[{"name": "other"}], closed=True)
        await caller.ask(provider="a")
        await a.refuse("overloaded", "a is full")
        assert (await caller.failure()).message == "a is full"
        counted = {name for name, series in hub.hub.meter._series.items() if series.fallbacks or series.calls}
        assert counted == {"a"}

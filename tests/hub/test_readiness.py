"""Who is connected but not to be called: by its own word, by its ready check, or as it has yet to come up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.process import State
from gleitzeitd.core.standing import Standing
from tests.hub.peers import RUNNING, STARTING, site, spec, until

pytestmark = pytest.mark.anyio


async def test_a_provider_may_register_before_it_is_ready() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(ready=False), await hub.caller()
        assert hub.facts == [("registered", "tool", 1, False)]
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        await provider.say("ready", {})
        assert (await provider.next("invoke"))["method"] == "add"
        assert hub.facts[1:] == [("said", "tool", 1, True, "")]


async def test_a_provider_that_is_not_ready_is_not_called_until_it_is() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await provider.say("not_ready", {"reason": "loading\nthe model"})
        await until(lambda: ("said", "tool", 1, False, "loading the model") in hub.facts)
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        await provider.say("ready", {})
        assert (await provider.next("invoke"))["method"] == "add"


@pytest.mark.parametrize("state", [RUNNING, STARTING])
async def test_what_fails_its_ready_check_is_called_once_it_passes(state: Standing) -> None:
    """Seen to fail with a registration that does not heed its standing, at once and later."""
    async with site(spec()) as hub:
        provider, caller = await hub.provider(standing=replace(state, fit=False)), await hub.caller()
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        hub.hub.registry.stands("tool", RUNNING)
        await provider.reply("one")
        assert await caller.answer() == "one"
        hub.hub.registry.stands("tool", replace(RUNNING, fit=False))
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        assert provider.arrived["invoke"].empty()


async def test_a_call_for_what_is_not_ready_waits_until_its_deadline() -> None:
    async with site(spec()) as hub:
        hub.hub.registry.stands("tool", replace(RUNNING, fit=False))
        await hub.provider()
        caller = await hub.caller()
        await caller.ask(timeout=0.05)
        with pytest.raises(CallError) as failure:
            await caller.answer()
        assert failure.value.code == "deadline_exceeded"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_that_nobody_took_in_time_says_why(stream: bool) -> None:
    """Seen to fail without the reason of its standing."""
    async with site(spec()) as hub:
        hub.hub.registry.stands("tool", replace(STARTING, state=State.WAITING, reason="waits for db (FATAL)"))
        caller = await hub.caller()
        await caller.ask(timeout=0.05, stream=stream)
        error = (await caller.next("end" if stream else "result"))["error"]
        assert error["code"] == "deadline_exceeded"
        assert error["message"] == '"tool" was not ready within 0.05 s: waits for db (FATAL)'


async def test_a_call_that_only_found_everybody_busy_does_not_say_that_nobody_was_ready() -> None:
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1")
        await provider.next("invoke")
        await caller.ask("2", timeout=0.05)
        message = (await caller.next("result"))["error"]["message"]
        assert message == 'no slot of "tool" was free within 0.05 s'


async def test_a_call_waits_for_what_is_held_at_the_gate() -> None:
    async with site(spec()) as hub:
        hub.hub.registry.stands("tool", replace(STARTING, state=State.WAITING, reason="waits for db"))
        caller = await hub.caller()
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        hub.hub.registry.stands("tool", RUNNING)
        assert (await (await hub.provider()).next("invoke"))["method"] == "add"

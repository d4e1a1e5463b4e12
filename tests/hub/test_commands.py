"""Commands that register, though they need not: by the token in their environment, over TCP as well."""

from __future__ import annotations

import pytest
from socketio.exceptions import ConnectionError as Refused

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.process import State
from gleitzeitd.core.standing import Standing
from tests.hub.peers import command, site, spec, until

pytestmark = pytest.mark.anyio

RUNNING = Standing(State.RUNNING, True, None, "", registers=False, generation=1)


async def test_over_tcp_the_token_of_a_command_is_enough() -> None:
    async with site(command(), owns=False) as hub:
        provider, caller = await hub.provider(tcp=True), await hub.caller()
        assert hub.facts == [("registered", "tool", 1, True)]
        await caller.ask()
        await provider.reply("served")
        assert await caller.answer() == "served"


async def test_over_the_unix_socket_the_process_must_be_the_command_s_as_well() -> None:
    async with site(command(), owns=False) as hub:
        with pytest.raises(Refused):
            await hub.provider()
        assert hub.refusals[-1]["message"] == 'this process does not belong to "tool"'


async def test_over_tcp_the_token_of_a_class_is_not_enough() -> None:
    """Seen to fail with the rule for commands applied to all."""
    async with site(spec()) as hub:
        with pytest.raises(Refused):
            await hub.provider(tcp=True)
        assert hub.refusals[-1]["data"]["code"] == "forbidden"


async def test_a_call_for_a_command_that_never_registered_fails_at_once() -> None:
    async with site(command()) as hub:
        hub.hub.registry.stands("tool", RUNNING)
        caller = await hub.caller()
        await caller.ask()
        with pytest.raises(CallError, match='"tool" is a command that offers no methods'):
            await caller.answer()


async def test_a_command_that_lost_its_connection_is_waited_for_and_only_its_calls_are_lost() -> None:
    """Seen to fail with a registry that forgets that the command had registered."""
    async with site(command()) as hub:
        hub.hub.registry.stands("tool", RUNNING)
        provider, caller = await hub.provider(tcp=True), await hub.caller()
        await caller.ask("1")
        await provider.next("invoke")
        await provider.leave()
        with pytest.raises(CallError, match="its connection was lost"):
            await caller.answer()
        await caller.ask("2")
        await until(lambda: hub.waiting("tool") == 1)
        await (await hub.provider(tcp=True)).reply("back")
        assert await caller.answer() == "back"
        assert [fact[0] for fact in hub.facts] == ["registered", "disconnected", "registered"]

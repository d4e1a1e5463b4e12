"""Who may connect and register, and what becomes of their connections."""

from __future__ import annotations

from typing import Any

import pytest
from socketio.exceptions import ConnectionError as Refused

from gleitzeit_extensions.protocol import CLIENTS, MAX_FRAME, PROVIDERS, WINDOW
from tests.hub.peers import Site, site, spec, until

pytestmark = pytest.mark.anyio


async def refusal(hub: Site, namespace: str, **how: Any) -> Any:
    """The error that a connection is refused with."""
    with pytest.raises(Refused):
        await hub.peer(namespace, **how)
    return hub.refusals[-1]["data"]


@pytest.mark.parametrize("namespace", [PROVIDERS, CLIENTS])
@pytest.mark.parametrize("token", ["wrong", None, 7, "\ud800"])
async def test_nobody_connects_without_a_token(namespace: str, token: object) -> None:
    async with site(spec()) as hub:
        assert (await refusal(hub, namespace, token=token))["code"] == "unauthenticated"


async def test_another_protocol_is_told_which_one_is_spoken() -> None:
    async with site(spec()) as hub:
        error = await refusal(hub, PROVIDERS, proto=2)
        assert (error["code"], "gz/1" in error["message"]) == ("protocol", True)


async def test_a_child_s_token_is_no_good_for_another_process() -> None:
    async with site(spec(), owns=False) as hub:
        token = hub.token("tool", 1)
        assert (await refusal(hub, PROVIDERS, token=token))["code"] == "forbidden"


async def test_a_child_s_token_is_no_good_for_calls() -> None:
    async with site(spec()) as hub:
        token = hub.token("tool", 1)
        assert (await refusal(hub, CLIENTS, token=token))["code"] == "forbidden"


async def test_a_token_ends_with_its_generation() -> None:
    async with site(spec()) as hub:
        old = hub.token("tool", 1)
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {})
        hub.token("tool", 2)
        assert (await refusal(hub, PROVIDERS, token=old))["code"] == "unauthenticated"


async def test_a_registration_is_acknowledged_and_told_to_the_supervisor() -> None:
    async with site(spec()) as hub:
        peer = await hub.peer(PROVIDERS, hub.token("tool", 1))
        answer = await peer.register(name="tool", models=["m"], methods=[{"name": "add"}])
        session = answer.pop("session")
        assert answer == {"ok": True, "proto": 1, "max_frame": MAX_FRAME, "window": WINDOW}
        assert session
        assert hub.facts == [("registered", "tool", 1, True)]


@pytest.mark.parametrize(
    ("offer", "words"),
    [
        ({}, "`register` needs a `name`"),
        ({"name": "tool", "ready": "no"}, "`ready` must be bool, not str"),
        ({"name": "tool", "models": "m"}, "`models` must be list, not str"),
        ({"name": "tool", "methods": [{}]}, "`methods: name` must be str, not NoneType"),
        ({"name": "other"}, 'this process is "tool" in the config file but registers as "other"'),
    ],
)
async def test_a_registration_that_cannot_be_is_refused_in_words(offer: dict[str, Any], words: str) -> None:
    async with site(spec()) as hub:
        peer = await hub.peer(PROVIDERS, hub.token("tool", 1))
        answer = await peer.register(**offer)
        assert answer["ok"] is False
        assert words in answer["error"]["message"]


async def test_nobody_else_registers_as_a_configured_provider() -> None:
    async with site(spec()) as hub:
        peer = await hub.peer(PROVIDERS)
        answer = await peer.register(name="tool")
        assert answer["error"]["code"] == "forbidden"
        assert '"tool" is run by this daemon' in answer["error"]["message"]


async def test_an_external_provider_is_called_like_any_other() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider("stranger"), await hub.caller()
        await caller.ask(provider="stranger")
        invoke = await provider.next("invoke")
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": "hello"})
        assert await caller.answer() == "hello"


async def test_an_external_provider_that_left_is_not_known_any_more() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider("stranger"), await hub.caller()
        await provider.leave()
        await until(lambda: not hub.hub.registry.registrations())
        await caller.ask(provider="stranger")
        assert (await caller.next("result"))["error"]["code"] == "not_found.provider"


async def test_a_newer_connection_of_one_generation_takes_the_place_of_the_older() -> None:
    async with site(spec()) as hub:
        token = hub.token("tool", 1)
        older, newer = await hub.peer(PROVIDERS, token), None
        await older.register(name="tool")
        newer = await hub.peer(PROVIDERS, token)
        await newer.register(name="tool")
        await until(lambda: not older.client.connected)
        caller = await hub.caller()
        await caller.ask()
        assert (await newer.next("invoke"))["method"] == "add"


async def test_a_registration_that_is_refused_takes_nobody_s_place() -> None:
    """Seen to fail with the older connection closed before the newer is looked at."""
    async with site(spec()) as hub:
        token = hub.token("tool", 1)
        older, newer = await hub.peer(PROVIDERS, token), await hub.peer(PROVIDERS, token)
        await older.register(name="tool")
        assert (await newer.register(name="tool", models="m"))["ok"] is False
        caller = await hub.caller()
        await caller.ask()
        assert (await older.next("invoke"))["method"] == "add"


async def test_the_connections_of_a_life_that_is_over_are_closed() -> None:
    """Seen to fail with connections that are only forgotten, on which one may register again."""
    async with site(spec(), spec("other")) as hub:
        token = hub.token("tool", 1)
        registered, idle = await hub.peer(PROVIDERS, token), await hub.peer(PROVIDERS, token)
        await registered.register(name="tool")
        bystander = await hub.provider("other")
        hub.hub.registry.exited("tool", 1, "exited with 0", {})
        await until(lambda: not registered.client.connected and not idle.client.connected)
        assert bystander.client.connected
        assert [one.name for one in hub.hub.registry.registrations()] == ["other"]


async def test_a_second_registration_on_one_connection_is_refused() -> None:
    async with site(spec()) as hub:
        provider = await hub.provider()
        assert (await provider.register(name="tool"))["error"]["code"] == "conflict"


async def test_what_comes_before_the_registration_is_answered_with_an_error() -> None:
    async with site(spec()) as hub:
        peer = await hub.peer(PROVIDERS)
        await peer.say("result", {"id": "1", "ok": True})
        assert (await peer.next("error"))["message"] == "register first"


@pytest.mark.parametrize("namespace", [PROVIDERS, CLIENTS])
async def test_an_unknown_event_is_answered_with_an_error(namespace: str) -> None:
    async with site(spec()) as hub:
        peer = await hub.peer(namespace)
        await peer.say("dance", {})
        assert (await peer.next("error"))["message"] == 'there is no event "dance" in gz/1'


@pytest.mark.parametrize("payload", [None, 7, "text", [1], {"id": {}}, {"id": "nobody"}])
@pytest.mark.parametrize("event", ["result", "chunk", "end", "update", "health", "ready"])
async def test_a_payload_that_means_nothing_harms_nobody(event: str, payload: Any) -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await provider.say(event, payload)
        await caller.ask()
        invoke = await provider.next("invoke")
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": 1})
        assert await caller.answer() == 1


async def test_an_update_changes_what_is_offered() -> None:
    async with site(spec()) as hub:
        provider = await hub.provider(models=["small"])
        await provider.say("update", {"models": ["small", "large"]})
        (registration,) = hub.hub.registry.registrations()
        await until(lambda: registration.offer.models == ("small", "large"))


async def test_a_connection_that_says_it_ended_is_taken_at_its_word() -> None:
    async with site(spec()) as hub:
        peer = await hub.provider()
        await peer.say("disconnect", "as if")
        await until(lambda: not peer.client.connected)
        assert hub.hub.registry.registrations() == []


@pytest.mark.parametrize("name", ["all", "p#2", "a/b", "a\nb", "x" * 101])
async def test_a_stranger_s_name_follows_the_rule_for_names(name: str) -> None:
    async with site() as hub:
        peer = await hub.peer(PROVIDERS)
        answer = await peer.register(name=name)
        assert "a provider's name is made of letters" in answer["error"]["message"]

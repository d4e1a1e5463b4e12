"""Calls that name a model, a capability, or whatever has a name: who gets them, and who waits for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from gleitzeit_extensions.protocol import PROVIDERS
from gleitzeitd.core.process import State
from gleitzeitd.core.spec import Spec
from tests.hub.peers import RUNNING, STARTING, Peer, Site, site, spec, twins, until

pytestmark = pytest.mark.anyio
A, B = spec("a"), spec("b")
FATAL = replace(RUNNING, state=State.FATAL, reason="no key")
BACKOFF = replace(RUNNING, state=State.BACKOFF, reason="exited with 1")


async def taken(caller: Peer, by: Peer, **asked: Any) -> Any:
    """The call that a provider gets when somebody asks so; it answers."""
    await caller.ask(**asked)
    invoke = await by.reply("well")
    assert await caller.answer() == "well"
    return invoke


async def test_a_model_is_answered_by_who_offers_it_and_told_by_the_name_that_it_has_there() -> None:
    async with site(A, B) as hub:
        await hub.provider("a", models=["small"])
        b, caller = await hub.provider("b", models=["large"]), await hub.caller()
        assert (await taken(caller, b, model="large"))["model"] == "large"


async def test_a_call_by_provider_or_capability_is_for_no_model() -> None:
    async with site(A) as hub:
        a, caller = await hub.provider("a", models=["m"], capabilities=["chat"]), await hub.caller()
        assert "model" not in await taken(caller, a, provider="a")
        assert "model" not in await taken(caller, a, capability="chat")


async def test_an_alias_is_told_to_the_provider_as_the_model_that_it_stands_for() -> None:
    async with site(spec("a", aliases={"fast": "m-1"})) as hub:
        a, caller = await hub.provider("a", models=["m-1", "m-2"]), await hub.caller()
        assert (await taken(caller, a, model="fast"))["model"] == "m-1"


async def test_the_longest_wildcard_gets_the_call_with_the_name_that_was_asked_for() -> None:
    async with site(A, B) as hub:
        await hub.provider("a", models=["*"])
        b, caller = await hub.provider("b", models=["gpt-*"]), await hub.caller()
        assert (await taken(caller, b, model="gpt-9"))["model"] == "gpt-9"


async def test_a_target_is_a_provider_before_a_model_an_alias_a_wildcard_and_a_capability() -> None:
    aliases = {"x": "own"}
    names = ("x", "model", "alias", "wild", "able")
    specs = [spec(name, aliases=aliases if name == "alias" else {}) for name in names]
    offers: dict[str, dict[str, Any]] = {
        "x": {},
        "model": {"models": ["x"]},
        "alias": {"models": ["own"]},
        "wild": {"models": ["*"]},
        "able": {"capabilities": ["x"]},
    }
    async with site(*specs) as hub:
        caller = await hub.caller()
        peers = {name: await hub.provider(name, **offers[name]) for name in names}
        for name in names:
            await taken(caller, peers[name], target="x")
            hub.hub.registry.exited(name, 1, "exited with 0", {})
            hub.hub.registry.forget(name)


async def test_an_instance_that_does_not_have_the_model_is_not_asked_for_it() -> None:
    async with site(twins()) as hub:
        first, caller = await hub.provider("tool#1", models=["m"]), await hub.caller()
        second = await hub.provider("tool#2", models=["other"])
        for number in ("1", "2", "3"):
            await caller.ask(number, model="m")
            await first.reply("well")
        assert "invoke" not in second.arrived


async def test_what_is_updated_reaches_the_router_at_once() -> None:
    async with site(A) as hub:
        a, caller = await hub.provider("a", models=["old"]), await hub.caller()
        await taken(caller, a, model="old")
        await a.say("update", {"models": ["new"]})
        await taken(caller, a, model="new")
        await caller.ask(model="old")
        assert (await caller.failure()).code == "not_found.model"


async def test_several_providers_of_a_model_share_its_calls_by_priority() -> None:
    async with site(spec("a", priority=1), spec("b", priority=0, concurrency=1)) as hub:
        a, b = await hub.provider("a", models=["m"]), await hub.provider("b", models=["m"])
        caller = await hub.caller()
        await caller.ask("1", model="m")
        first = await b.next("invoke")
        await caller.ask("2", model="m")
        await a.next("invoke")
        await b.say("result", {"id": first["id"], "ok": True, "result": 1})
        await caller.answer()
        await caller.ask("3", model="m")
        await b.next("invoke")


async def test_calls_of_one_session_stay_with_one_instance() -> None:
    async with site(twins(strategy="sticky")) as hub:
        peers = [await hub.provider(f"tool#{n}") for n in (1, 2)]
        caller = await hub.caller()
        for number in range(6):
            await caller.ask(str(number), session="s")
        await until(lambda: sum(p.arrived["invoke"].qsize() for p in peers if "invoke" in p.arrived) == 6)
        assert [bool(peer.arrived) for peer in peers].count(True) == 1


# Names that nobody has.


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"model": "gtp-4"}, "not_found.model", 'nobody offers the model "gtp-4" (did you mean "gpt-4"?)'),
        (
            {"model": "a"},
            "not_found.model",
            'nobody offers the model "a": see "gleitzeitctl providers models"',
        ),
        ({"capability": "caht"}, "not_found.capability", 'did you mean "chat"?'),
        (
            {"target": "zzz"},
            "not_found.provider",
            'there is no capability, no model and no provider "zzz"',
        ),
        ({"target": "off"}, "no_instance", '"off" is disabled in the config file'),
        ({"model": "m", "target": "m"}, "invalid_request", "`target` and `model` are there"),
        ({"model": ""}, "invalid_request", "`model` must have 1 to 200 characters"),
        ({"model": "gpt-4", "key": 7}, "invalid_request", "`key` must be a string"),
        ({"model": "gpt-4", "session": "s" * 201}, "invalid_request", "`session` must have 1 to 200"),
    ],
)
async def test_what_nobody_offers_is_refused_at_once_with_the_nearest_names(
    asked: dict[str, Any], code: str, words: str
) -> None:
    async with site(A) as hub:
        await hub.provider("a", models=["gpt-4"], capabilities=["chat"])
        caller = await hub.caller()
        await caller.ask(**asked)
        error = await caller.failure()
        assert error.code == code
        assert words in error.message


# Who is away.


@pytest.mark.parametrize("asked", [{"model": "m"}, {"capability": "c"}, {"target": "m"}])
async def test_what_a_provider_offered_is_waited_for_while_it_comes_up_again(asked: dict[str, Any]) -> None:
    """Seen to fail with a catalogue of what is connected only."""
    async with site(A) as hub:
        await hub.provider("a", models=["m"], capabilities=["c"])
        caller = await hub.caller()
        hub.hub.registry.exited("a", 1, "killed by SIGKILL", {})
        hub.hub.registry.stands("a", replace(STARTING, generation=2))
        await caller.ask(**asked)
        await until(lambda: hub.waiting("a") == 1)
        again = await hub.provider("a", models=["m"], capabilities=["c"])
        await again.reply("well")
        assert await caller.answer() == "well"


async def test_what_it_does_not_offer_any_more_when_it_comes_up_again_is_not_found() -> None:
    async with site(A) as hub:
        await hub.provider("a", models=["m"])
        caller = await hub.caller()
        hub.hub.registry.exited("a", 1, "killed by SIGKILL", {})
        hub.hub.registry.stands("a", replace(STARTING, generation=2))
        await caller.ask(model="m")
        await until(lambda: hub.waiting("a") == 1)
        await hub.provider("a", models=["other"])
        assert (await caller.failure()).code == "not_found.model"


async def test_a_model_of_a_provider_that_gave_up_fails_at_once_with_its_reason() -> None:
    async with site(A) as hub:
        await hub.provider("a", models=["m"])
        caller = await hub.caller()
        hub.hub.registry.exited("a", 1, "killed by SIGKILL", {})
        hub.hub.registry.stands("a", FATAL)
        await caller.ask(model="m")
        error = await caller.failure()
        assert (error.code, error.message) == ("no_instance", '"a" is FATAL: no key')


@pytest.mark.parametrize("state", [State.WAITING, State.STARTING])
async def test_a_model_that_nobody_offers_waits_for_who_has_not_said_what_it_offers(state: State) -> None:
    async with site(A, B) as hub:
        await hub.provider("b", models=["other"])
        caller = await hub.caller()
        hub.hub.registry.stands("a", replace(STARTING, state=state))
        await caller.ask(model="m")
        await until(lambda: hub.waiting("a") == 1)
        await (await hub.provider("a", models=["m"])).reply("well")
        assert await caller.answer() == "well"


async def test_a_model_that_nobody_turns_out_to_offer_is_not_found_as_soon_as_that_is_known() -> None:
    async with site(A, B) as hub:
        caller = await hub.caller()
        hub.hub.registry.stands("a", STARTING)
        hub.hub.registry.stands("b", STARTING)
        await caller.ask(model="m")
        await until(lambda: hub.waiting("a") == 1)
        await hub.provider("a", models=["other"])
        hub.hub.registry.stands("b", FATAL)
        assert (await caller.failure()).code == "not_found.model"


@pytest.mark.parametrize(("due", "waits"), [(5.0, True), (60.0, False)])
async def test_an_attempt_that_is_due_in_time_is_waited_for(due: float, waits: bool) -> None:
    async with site(A) as hub:
        caller = await hub.caller()
        hub.hub.registry.stands("a", replace(BACKOFF, next_attempt=anyio.current_time() + due))
        await caller.ask(model="m", timeout=20)
        if waits:
            await until(lambda: hub.waiting("a") == 1)
        else:
            assert (await caller.failure()).code == "not_found.model"


async def test_a_deadline_that_passes_meanwhile_says_who_has_not_said_what_it_offers() -> None:
    async with site(A) as hub:
        caller = await hub.caller()
        hub.hub.registry.stands("a", STARTING)
        await caller.ask(model="m", timeout=0.05)
        error = await caller.failure()
        sentence = 'model "m" was not ready within 0.05 s: "a" has not said yet what it offers'
        assert (error.code, error.message) == ("deadline_exceeded", sentence)


async def offers_of(hub: Site) -> list[str]:
    return [model["name"] for model in hub.hub.registry.catalogue()["models"]]


@pytest.mark.parametrize(
    ("changed", "is_remembered"),
    [(replace(A, description="another"), True), (replace(A, config={"models": ["n"]}), False)],
)
async def test_what_was_offered_is_remembered_until_something_else_is_to_run(
    changed: Spec, is_remembered: bool
) -> None:
    async with site(A) as hub:
        await hub.provider("a", models=["m"])
        hub.hub.registry.exited("a", 1, "killed by SIGKILL", {})
        hub.hub.know(changed)
        assert (await offers_of(hub) == ["m"]) is is_remembered


async def test_what_a_stranger_offered_goes_with_it() -> None:
    async with site() as hub:
        stranger, caller = await hub.provider("stranger", models=["m"]), await hub.caller()
        await taken(caller, stranger, model="m")
        await stranger.leave()
        await until(lambda: not hub.hub.registry.registrations())
        await caller.ask(model="m")
        assert (await caller.failure()).code == "not_found.model"


async def test_the_catalogue_names_every_model_and_capability_with_who_offers_it() -> None:
    async with site(spec("a", aliases={"fast": "m"}), B) as hub:
        await hub.provider("a", models=["m", "gpt-*"], capabilities=["chat"])
        await hub.provider("b", models=["m"], capabilities=["chat", "see"])
        assert hub.hub.registry.catalogue() == {
            "models": [
                {"name": "gpt-*", "providers": ["a"], "aliases": [], "pattern": True},
                {"name": "m", "providers": ["a", "b"], "aliases": ["fast"], "pattern": False},
            ],
            "capabilities": [
                {"name": "chat", "providers": ["a", "b"]},
                {"name": "see", "providers": ["b"]},
            ],
        }


async def test_what_a_life_offered_that_failed_to_take_over_is_not_waited_for() -> None:
    """Seen to fail with what was said last."""
    async with site(A) as hub:
        await hub.provider("a", models=["m"])
        caller, candidate = await hub.caller(), await hub.peer(PROVIDERS, hub.token("a", 2))
        assert (await candidate.register(name="a", models=["n"]))["ok"]
        hub.hub.registry.exited("a", 2, "exited with 1", {})
        await caller.ask(model="n")
        assert (await caller.failure()).code == "not_found.model"


async def test_an_exact_name_that_turns_up_is_preferred_to_a_wildcard_that_served_so_far() -> None:
    async with site(A, B) as hub:
        a, caller = await hub.provider("a", models=["*"]), await hub.caller()
        await taken(caller, a, model="m")
        b = await hub.provider("b", models=["m"])
        await taken(caller, b, model="m")


async def test_what_is_wanted_of_a_provider_from_now_on_holds_for_its_models() -> None:
    async with site(A, B) as hub:
        a, b = [await hub.provider(name, models=["m"]) for name in ("a", "b")]
        caller = await hub.caller()
        hub.hub.know(spec("b", priority=-1))
        await taken(caller, b, model="m")
        hub.hub.know(spec("a", priority=-2, aliases={"fast": "m"}))
        await taken(caller, a, model="m")
        assert (await taken(caller, a, model="fast"))["model"] == "m"


async def test_an_alias_of_a_model_that_is_not_listed_is_passed_on_to_the_provider() -> None:
    async with site(spec("a", aliases={"fast": "hidden"})) as hub:
        a, caller = await hub.provider("a", models=["m"]), await hub.caller()
        assert (await taken(caller, a, model="fast"))["model"] == "hidden"


@pytest.mark.parametrize(
    ("name", "code"), [("off", "no_instance"), ("tool#9", "not_found.provider")], ids=["disabled", "no such"]
)
async def test_a_pattern_does_not_take_what_can_only_be_a_provider(name: str, code: str) -> None:
    """Seen to fail: whoever offered `*` answered for a provider that is disabled."""
    async with site(spec(), spec("any")) as hub:
        await hub.provider("any", models=["*"])
        caller = await hub.caller()
        await caller.ask(target=name, provider=None)
        assert (await caller.failure()).code == code


async def test_what_is_disabled_while_calls_wait_for_it_is_told_so() -> None:
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await hub.provider(models=["*"]), await hub.caller()
        await caller.ask("1", target="gone", provider=None)
        await provider.next("invoke")
        await caller.ask("2", target="gone", provider=None)
        await until(lambda: hub.waiting("tool") == 1)
        hub.hub.registry.disable(frozenset({"gone"}))
        assert (await caller.failure()).message == '"gone" is disabled in the config file'

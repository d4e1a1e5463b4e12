"""Calls through a real hub: carried, refused, cancelled, lost, and made again."""

from __future__ import annotations

import math

import pytest

from gleitzeit_extensions.protocol import CLIENTS, CallError
from gleitzeitd.core.process import State
from gleitzeitd.core.standing import Standing
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.calls import Request
from tests.hub.peers import STARTING, site, spec, until

pytestmark = pytest.mark.anyio


async def test_a_call_reaches_the_provider_and_its_answer_the_caller() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(args={"a": 1}, timeout=5)
        invoke = await provider.next("invoke")
        assert (invoke["method"], invoke["args"], invoke["stream"], invoke["attempt"]) == (
            "add",
            {"a": 1},
            False,
            1,
        )
        assert 0 < invoke["deadline_ms"] <= 5000
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": 42})
        assert await caller.answer() == 42


async def test_a_provider_s_error_comes_back_as_it_was_said() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask()
        invoke = await provider.next("invoke")
        error = CallError("provider_error", "no such file", {"type": "OSError"}).wire()
        await provider.say("result", {"id": invoke["id"], "ok": False, "error": error})
        with pytest.raises(CallError, match="no such file") as failure:
            await caller.answer()
        assert failure.value.detail == {"type": "OSError"}


async def test_a_call_waits_for_a_provider_that_is_coming_up() -> None:
    async with site(spec()) as hub:
        hub.hub.registry.stands("tool", STARTING)
        caller = await hub.caller()
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        provider = await hub.provider()
        assert (await provider.next("invoke"))["method"] == "add"


async def test_a_waiting_call_fails_when_its_provider_gives_up() -> None:
    async with site(spec()) as hub:
        hub.hub.registry.stands("tool", STARTING)
        caller = await hub.caller()
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        hub.hub.registry.stands(
            "tool", Standing(State.FATAL, True, None, "no key", registers=True, generation=1)
        )
        with pytest.raises(CallError, match='"tool" is FATAL: no key') as failure:
            await caller.answer()
        assert failure.value.code == "no_instance"


async def test_calls_beyond_the_slots_wait_their_turn() -> None:
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        for number in ("1", "2", "3"):
            await caller.ask(number, args={"n": number})
        for number in ("1", "2", "3"):
            invoke = await provider.next("invoke")
            assert invoke["args"] == {"n": number}
            assert provider.arrived["invoke"].empty()
            await provider.say("result", {"id": invoke["id"], "ok": True, "result": number})
        assert [await caller.answer() for _ in range(3)] == ["1", "2", "3"]


async def test_a_queue_that_is_full_refuses_at_once() -> None:
    async with site(spec(concurrency=1, queue=1)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        for number in ("1", "2", "3"):
            await caller.ask(number)
        await provider.next("invoke")
        with pytest.raises(CallError) as failure:
            await caller.answer()
        assert failure.value.code == "overloaded"


async def test_a_deadline_answers_the_caller_and_cancels_the_provider() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(timeout=0.05)
        invoke = await provider.next("invoke")
        with pytest.raises(CallError) as failure:
            await caller.answer()
        assert failure.value.code == "deadline_exceeded"
        assert await provider.next("cancel") == {"id": invoke["id"], "reason": "deadline"}


async def test_a_caller_that_leaves_cancels_what_it_waits_for() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask()
        invoke = await provider.next("invoke")
        await caller.leave()
        assert await provider.next("cancel") == {"id": invoke["id"], "reason": "caller_gone"}


async def test_the_slot_of_a_cancelled_call_is_taken_until_the_provider_lets_go() -> None:
    async with site(spec(concurrency=1)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1", timeout=0.05)
        first = await provider.next("invoke")
        await provider.next("cancel")
        await caller.ask("2")
        await until(lambda: hub.waiting("tool") == 1)
        error = CallError("cancelled", "ended").wire()
        await provider.say("result", {"id": first["id"], "ok": False, "error": error})
        assert (await provider.next("invoke"))["id"] != first["id"]


async def test_calls_of_a_lost_instance_fail_with_the_evidence() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask()
        await provider.next("invoke")
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {"exit_status": -9, "stderr": ["last words"]})
        with pytest.raises(CallError, match="killed by SIGKILL") as failure:
            await caller.answer()
        assert failure.value.code == "instance_lost"
        assert failure.value.detail == {"exit_status": -9, "stderr": ["last words"]}


async def test_the_evidence_is_waited_for_when_the_connection_goes_first() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask()
        await provider.next("invoke")
        await provider.leave()
        await until(lambda: ("disconnected", "tool", 1) in hub.facts)
        hub.hub.registry.exited("tool", 1, "exited with 3", {"exit_status": 3})
        with pytest.raises(CallError, match="exited with 3"):
            await caller.answer()


async def test_a_lost_connection_of_a_living_process_is_lost_all_the_same() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask()
        await provider.next("invoke")
        await provider.leave()
        with pytest.raises(CallError, match="its connection was lost"):
            await caller.answer()


@pytest.mark.parametrize("declared", ["by the caller", "by routing"])
async def test_an_idempotent_call_is_made_again(declared: str) -> None:
    async with site(spec(idempotent=declared == "by routing")) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(idempotent=declared == "by the caller")
        await provider.next("invoke")
        hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {})
        successor = await hub.provider()
        invoke = await successor.next("invoke")
        assert invoke["attempt"] == 2
        await successor.say("result", {"id": invoke["id"], "ok": True, "result": "again"})
        assert await caller.answer() == "again"


async def test_an_idempotent_call_is_written_three_times_at_most() -> None:
    async with site(spec()) as hub:
        caller = await hub.caller()
        await caller.ask(idempotent=True)
        for _ in range(3):
            provider = await hub.provider()
            await provider.next("invoke")
            hub.hub.registry.exited("tool", 1, "killed by SIGKILL", {})
        with pytest.raises(CallError, match="killed by SIGKILL"):
            await caller.answer()


async def test_an_unknown_method_of_a_closed_provider_never_reaches_it() -> None:
    async with site(spec()) as hub:
        await hub.provider(methods=[{"name": "add"}, {"name": "sub"}], closed=True)
        caller = await hub.caller()
        await caller.ask(method="mul")
        with pytest.raises(CallError, match='"tool" has no method "mul": it has add, sub') as failure:
            await caller.answer()
        assert failure.value.code == "not_found.method"
        await until(lambda: not any(r.calls for r in hub.hub.registry.registrations()))


async def test_any_method_reaches_a_provider_that_says_it_is_open() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(closed=False), await hub.caller()
        await caller.ask(method="anything")
        assert (await provider.next("invoke"))["method"] == "anything"


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"provider": "nobody"}, "not_found.provider", 'there is no provider "nobody"'),
        ({"provider": "tol"}, "not_found.provider", 'did you mean "tool"?'),
        ({"provider": "off"}, "no_instance", '"off" is disabled in the config file'),
        ({"provider": 7}, "invalid_request", "`provider` must be a string"),
        ({"method": ""}, "invalid_request", "`method` must be a string"),
        ({"method": "_private"}, "not_found.method", "a name that begins with _ is private"),
        ({"args": [1]}, "invalid_request", "`args` must be an object"),
        ({"timeout": 0}, "invalid_request", "`timeout` must be seconds"),
        ({"timeout": True}, "invalid_request", "`timeout` must be seconds"),
        ({"timeout": 1e9}, "invalid_request", "`timeout` must be seconds"),
    ],
)
async def test_a_request_that_cannot_be_is_refused_in_words(
    request_: dict[str, object], code: str, words: str
) -> None:
    async with site(spec()) as hub:
        caller = await hub.caller()
        await caller.say("invoke", {"id": "1", "provider": "tool", "method": "add", **request_})
        with pytest.raises(CallError) as failure:
            await caller.answer()
        assert failure.value.code == code
        assert words in failure.value.message


async def test_an_id_that_is_in_use_is_refused_and_the_first_call_goes_on() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1")
        invoke = await provider.next("invoke")
        await caller.ask("1")
        with pytest.raises(CallError, match="is in progress"):
            await caller.answer()
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": 1})
        assert await caller.answer() == 1


async def test_a_provider_that_drains_gets_no_more_calls_and_says_so_when_it_is_done() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("1")
        invoke = await provider.next("invoke")
        hub.hub.drain("tool", 1, 5.0)
        assert (await provider.next("drain"))["deadline_ms"] == 5000
        assert ("drained", "tool", 1) not in hub.facts
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": 1})
        await until(lambda: ("drained", "tool", 1) in hub.facts)


async def test_an_external_provider_that_is_busy_is_waited_for() -> None:
    async with site() as hub:
        provider, caller = await hub.provider("stranger"), await hub.caller()
        for number in range(65):
            await caller.ask(str(number), provider="stranger")
        invokes = [await provider.next("invoke") for _ in range(64)]
        await until(lambda: hub.waiting("stranger") == 1)
        await provider.say("result", {"id": invokes[0]["id"], "ok": True, "result": 1})
        await provider.next("invoke")


async def test_arguments_of_any_depth_are_carried_or_refused_and_harm_nobody() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        raw = "[" * 600 + "]" * 600
        text = f'{{"id": "deep", "provider": "tool", "method": "add", "args": {{"a": {raw}}}}}'
        await caller.client.eio.send(f'2{CLIENTS},["invoke",{text}]')
        await caller.ask("flat")
        methods = {(await provider.next("invoke"))["method"] for _ in range(2)}
        assert methods == {"add"}


async def test_an_integer_of_any_length_that_json_has_is_carried() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask(args={"a": 10**150})
        invoke = await provider.next("invoke")
        await provider.say("result", {"id": invoke["id"], "ok": True, "result": 10**200})
        assert await caller.answer() == 10**200


async def test_a_call_that_is_too_large_to_be_written_is_refused_with_its_size() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        text = "\u00e4" * (3 * 1024 * 1024)  # As JSON without other letters it is three times as long.
        request = Request(Target(By.PROVIDER, "tool"), "add", {"text": text})
        with pytest.raises(CallError, match=r'"tool" add cannot be sent: it is 18,874,\d+ ') as failure:
            await hub.hub.router.invoke(request)
        assert failure.value.code == "too_large"
        await caller.ask()
        assert (await provider.next("invoke"))["args"] == {}


async def test_a_call_that_is_no_json_is_the_caller_s_mistake() -> None:
    async with site(spec()) as hub:
        await hub.provider()
        request = Request(Target(By.PROVIDER, "tool"), "add", {"number": math.nan})
        with pytest.raises(CallError, match='"tool" add cannot be sent: ') as failure:
            await hub.hub.router.invoke(request)
        assert failure.value.code == "invalid_request"
        assert not hub.hub.registry.registrations("tool")[0].calls


async def test_who_gave_up_waiting_takes_no_place_in_the_queue() -> None:
    async with site(spec(concurrency=1, queue=1)) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        await caller.ask("slow")
        await provider.next("invoke")
        await caller.ask("hasty", timeout=0.05)
        with pytest.raises(CallError) as failure:
            await caller.answer()
        assert failure.value.code == "deadline_exceeded"
        assert hub.waiting("tool") == 0


async def test_an_instance_that_is_stopping_gets_no_more_calls() -> None:
    async with site(spec()) as hub:
        provider, caller = await hub.provider(), await hub.caller()
        hub.hub.registry.stands(
            "tool", Standing(State.STOPPING, True, None, "sick", registers=True, generation=1)
        )
        await caller.ask()
        await until(lambda: hub.waiting("tool") == 1)
        assert "invoke" not in provider.arrived


async def test_an_idempotent_call_to_a_stranger_that_left_says_that_it_left() -> None:
    async with site() as hub:
        provider, caller = await hub.provider("stranger"), await hub.caller()
        await caller.ask(provider="stranger", idempotent=True)
        await provider.next("invoke")
        await provider.leave()
        with pytest.raises(CallError) as failure:
            await caller.answer()
        assert failure.value.code == "instance_lost"


async def test_a_flag_that_is_none_is_refused() -> None:
    async with site(spec()) as hub:
        caller = await hub.caller()
        await caller.ask(idempotent="yes")
        assert (await caller.failure()).message == "`idempotent` must be true or false"

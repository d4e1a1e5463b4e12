"""What is remembered of providers and their calls holds whoever comes, changes or goes. Without sockets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import anyio
import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.breaker import Breaker
from gleitzeitd.core.spec import Spec
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.access.credentials import Origin
from gleitzeitd.hub.access.tokens import Grant, Tokens
from gleitzeitd.hub.calls import Answer, Request
from gleitzeitd.hub.meter import Meter
from gleitzeitd.hub.offers import Offer
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Facts, Registry
from gleitzeitd.hub.router import Router
from tests.hub.peers import RUNNING, STARTING, spec, twins, until

pytestmark = pytest.mark.anyio
M = Target(By.MODEL, "m")
PROVIDER = Target(By.PROVIDER, "tool")


class Hub:
    """The router and what it knows; what is written to a provider is in `written`."""

    def __init__(self, *specs: Spec) -> None:
        nothing: Any = lambda *_: None  # noqa: E731
        self.registry = Registry(specs, frozenset(), Tokens("local"), Facts(*([nothing] * 7)), nothing)
        self.written: list[tuple[str, dict[str, Any]]] = []
        meter = Meter(self.registry.is_provider)
        self.router = Router(self.registry, nothing, meter, nothing)

    def provider(self, instance: str, generation: int = 1, **offer: Any) -> Registration:
        spec = self.registry.spec(instance)
        assert spec is not None
        self.registry.expect(spec, instance, generation)
        sid = f"{instance} {generation}"

        async def emit(event: str, data: Any) -> None:
            self.written.append((sid, data))

        grant, said = Grant(instance, generation), Offer.read({"name": spec.name, **offer})
        self.registry.register(sid, grant, Origin(), said, emit)
        found = self.registry.registration(sid)
        assert found is not None
        self.registry.stands(instance, replace(RUNNING, generation=generation))
        return found

    def answer(self, registration: Registration) -> None:
        sid, invoke = self.written.pop(0)
        assert sid == registration.sid
        registration.result({"id": invoke["id"], "ok": True, "result": "well"})
        self.registry.answered(registration)

    async def waiting(self, calls: int) -> None:
        await until(lambda: sum(self.registry.line.waiting.values()) == calls)


async def test_a_model_that_was_not_found_is_waited_for_once_somebody_is_wanted_who_may_have_it() -> None:
    hub = Hub()
    with pytest.raises(CallError, match="nobody offers"):
        await hub.router.invoke(Request(M, "add"))
    hub.registry.know(spec())
    hub.registry.stands("tool", STARTING)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hub.router.invoke, Request(M, "add", timeout=5))
        await hub.waiting(1)
        tool = hub.provider("tool", models=["m"])
        await hub.waiting(0)
        await until(lambda: hub.written)
        hub.answer(tool)


async def test_one_of_two_lives_leaves_after_something_else_is_to_run() -> None:
    hub = Hub(spec())
    hub.provider("tool", 1, models=["m"])
    hub.provider("tool", 2, models=["m"])
    hub.registry.know(replace(spec(), env={"A": "1"}))
    hub.registry.disconnected("tool 1")
    assert [one.sid for one in hub.registry.registrations("tool")] == ["tool 2"]


async def test_what_an_instance_says_that_is_at_its_last_calls_is_not_remembered() -> None:
    hub = Hub(twins())
    hub.provider("tool#1")
    last = hub.provider("tool#2", models=["m"])
    hub.registry.know(spec())
    hub.registry.retire("tool#2")
    hub.registry.update(last, {"description": "going"})
    hub.registry.disconnected("tool#2 1")
    with pytest.raises(CallError) as raised:
        await hub.router.invoke(Request(M, "add"))
    assert raised.value.code == "not_found.model"


async def test_a_probe_whose_caller_leaves_as_it_is_given_is_called_off() -> None:
    hub = Hub(spec(concurrency=1))
    tool = hub.provider("tool")
    tool.calls["earlier"] = Answer("earlier", 0)
    probe = asyncio.create_task(hub.router.invoke(Request(PROVIDER, "add")))
    await hub.waiting(1)
    tool.breaker = Breaker(until=anyio.current_time(), span=5)
    tool.calls.clear()
    hub.registry.answered(tool)
    assert tool.breaker.is_probed
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert not tool.calls
    assert not tool.breaker.is_probed


async def test_a_stream_is_a_probe_only_until_its_first_chunk() -> None:
    hub = Hub(spec())
    tool = hub.provider("tool")
    tool.breaker = Breaker(until=anyio.current_time(), span=5)
    async with hub.router.stream(Request(PROVIDER, "add")) as reading:
        frame = asyncio.create_task(reading.frame())
        await until(lambda: hub.written)
        assert tool.breaker.is_probed
        call: Any = tool.calls[hub.written[0][1]["id"]]
        call.chunk({"seq": 0, "d": [1]}, 10)
        assert await frame == [1]
        assert not tool.breaker.is_probed
        assert tool.has_room(anyio.current_time())


async def test_streams_that_answer_until_their_deadline_are_no_failures() -> None:
    hub = Hub(spec())
    tool = hub.provider("tool")
    for _ in range(6):
        async with hub.router.stream(Request(PROVIDER, "add", timeout=0.1)) as reading:
            frame = asyncio.create_task(reading.frame())
            await until(lambda: hub.written)
            call: Any = tool.calls[hub.written.pop()[1]["id"]]
            call.chunk({"seq": 0, "d": [1]}, 10)
            assert await frame == [1]
            # As if it had lasted for long.
            reading._attempts.given -= 100
            with pytest.raises(CallError, match="was not over"):
                await reading.frame()
        assert tool.breaker == Breaker()


async def test_a_mistake_of_ours_while_writing_takes_no_slot() -> None:
    hub = Hub(spec())
    tool = hub.provider("tool")

    async def broken(event: str, data: Any) -> None:
        raise RuntimeError("of ours")

    told: list[str] = []
    tool.emit = broken
    hub.router._desk._post = lambda registration, event, data: told.append(event)
    with pytest.raises(RuntimeError):
        await hub.router.invoke(Request(PROVIDER, "add"))
    assert told == ["cancel"]


async def test_of_a_pool_only_those_are_given_a_call_that_have_its_method() -> None:
    hub = Hub(spec("a", concurrency=1), spec("b", concurrency=1))
    hub.provider("a", models=["m"], methods=[{"name": "chat"}], closed=True)
    embeds = hub.provider("b", models=["m"], methods=[{"name": "embed"}], closed=True)
    tasks = [asyncio.create_task(hub.router.invoke(Request(M, "embed", timeout=5))) for _ in range(2)]
    await hub.waiting(1)
    chat = asyncio.create_task(hub.router.invoke(Request(M, "chat", timeout=5)))
    await until(lambda: len(hub.written) == 2)
    assert [(sid, frame["method"]) for sid, frame in hub.written] == [("b 1", "embed"), ("a 1", "chat")]
    hub.answer(embeds)
    chat.cancel()
    assert await tasks[0] == "well"
    await asyncio.wait(tasks, timeout=0.05)
    hub.written.pop(0)
    hub.answer(embeds)
    assert await tasks[1] == "well"
    with pytest.raises(CallError, match='has no method "speak"') as raised:
        await hub.router.invoke(Request(M, "speak"))
    assert raised.value.code == "not_found.method"
    await asyncio.wait([chat])


async def test_a_few_slow_calls_do_not_make_the_usual_time_long() -> None:
    hub = Hub(spec())
    tool = hub.provider("tool")
    for _ in range(20):
        tool.held_for(0.01)
    tool.held_for(60)
    assert tool.holding < 0.05
    for _ in range(40):
        tool.held_for(60)
    assert tool.holding > 50

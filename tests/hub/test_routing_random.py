"""Whatever providers answer, lose or change: every call ends in time, and nothing of it is left anywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.process import State
from gleitzeitd.core.targets import By, Target
from gleitzeitd.hub.access.credentials import Origin
from gleitzeitd.hub.access.tokens import Grant, Tokens
from gleitzeitd.hub.calls import Request
from gleitzeitd.hub.meter import Meter
from gleitzeitd.hub.offers import Offer
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Facts, Registry
from gleitzeitd.hub.router import Router
from tests.hub.peers import RUNNING, STARTING, spec

pytestmark = pytest.mark.anyio
CODES = ("provider_error", "unavailable", "rate_limited", "overloaded", "protocol", "deadline_exceeded")
TARGETS = (
    *(Target(By.PROVIDER, name) for name in ("a", "a#1", "b", "nobody")),
    *(Target(By.MODEL, name) for name in ("m", "fast", "gpt-9", "nothing")),
    Target(By.CAPABILITY, "chat"),
    Target(By.TARGET, "m"),
)


class World:
    """A hub without sockets, whose providers answer as chance has it."""

    def __init__(self, seed: int, tasks: TaskGroup) -> None:
        self.random = Random(seed)
        self.tasks = tasks
        a = spec("a", concurrency=2, queue=5, fallbacks={"default": ("b",)}, aliases={"fast": "m"})
        self.specs = (replace(a, instances=2), spec("b", concurrency=1, queue=5, idempotent=True))
        nothing: Any = lambda *_: None  # noqa: E731
        facts = Facts(*([nothing] * 7))
        self.registry = Registry(self.specs, frozenset(), Tokens("local"), facts, nothing)
        meter = Meter(self.registry.is_provider)
        self.router = Router(self.registry, self.post, meter, tasks.start_soon)
        self.generations = dict.fromkeys(("a#1", "a#2", "b"), 0)
        self.ended = 0

    def post(self, registration: Registration, event: str, data: Any) -> None:
        if event == "cancel":
            self.tasks.start_soon(self.answer, registration, data["id"], False)

    def live(self, instance: str) -> None:
        """A new life of an instance registers, in place of the one before."""
        self.end(instance)
        self.generations[instance] += 1
        generation, name = self.generations[instance], instance.partition("#")[0]
        (wanted,) = [one for one in self.specs if one.name == name]
        self.registry.expect(wanted, instance, generation)
        self.registry.stands(instance, replace(STARTING, generation=generation))
        offer = Offer(name, models=("m", "gpt-*"), capabilities=("chat",))
        held: list[Registration] = []

        async def emit(event: str, data: Any) -> None:
            if event == "invoke":
                self.tasks.start_soon(self.answer, held[0], data["id"], data["stream"])

        sid = f"{instance} {generation}"
        self.registry.register(sid, Grant(instance, generation), Origin(), offer, emit)
        (registration,) = [one for one in self.registry.registrations(instance) if one.sid == sid]
        held.append(registration)
        self.registry.stands(instance, replace(RUNNING, generation=generation))

    def end(self, instance: str) -> None:
        generation = self.generations[instance]
        self.registry.exited(instance, generation, "killed by SIGKILL", {})
        state = self.random.choice([State.STARTING, State.BACKOFF, State.FATAL])
        standing = replace(RUNNING, state=state, generation=generation)
        self.registry.stands(instance, replace(standing, next_attempt=anyio.current_time() + 0.05))

    async def answer(self, registration: Registration, number: str, stream: bool) -> None:
        await anyio.sleep(self.random.random() * 0.01)
        is_well = self.random.random() < 0.6
        error = CallError(self.random.choice(CODES), "no", {"retry_after": 0.02}).wire()
        if stream:
            data = {"id": number, "seq": 0} if is_well else {"id": number, "seq": 0, "error": error}
            over = registration.end(data)
        else:
            over = registration.result({"id": number, "ok": is_well, "result": 1, "error": error})
        if over:
            self.registry.answered(registration)

    async def call(self) -> None:
        request = Request(
            self.random.choice(TARGETS),
            "add",
            timeout=self.random.choice([0.005, 0.1, 0.3]),
            idempotent=self.random.random() < 0.5,
            key=self.random.choice(["", "", "k1", "k2"]),
            session=self.random.choice(["", "s"]),
        )
        carry: Callable[[Request], Awaitable[Any]] = self.random.choice([self.router.invoke, self.streamed])
        # Some callers leave early.
        patience = self.random.choice([0.01, 3, 3])
        with contextlib.suppress(CallError), anyio.move_on_after(patience) as scope:
            await carry(request)
        assert patience < 1 or not scope.cancelled_caught
        self.ended += 1

    async def streamed(self, request: Request) -> None:
        async with self.router.stream(request) as reading:
            while await reading.frame() is not None:
                pass

    async def stir(self) -> None:
        """Something happens to an instance."""
        instance = self.random.choice([*self.generations])
        self.random.choice([self.live, self.live, self.end])(instance)
        for registration in self.registry.registrations():
            if self.random.random() < 0.1:
                self.registry.set_degraded(registration, not registration.degraded)
        self.registry.know(self.random.choice(self.specs))
        await anyio.sleep(self.random.random() * 0.01)


@pytest.mark.parametrize("seed", range(6))
async def test_every_call_ends_and_leaves_nothing_behind(seed: int) -> None:
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            world = World(seed, tasks)
            for _ in range(40):
                await world.stir()
                for _ in range(5):
                    tasks.start_soon(world.call)
    assert world.ended == 200
    line = world.registry.line
    assert (line._queues, dict(line.waiting), world.router._keys._running) == ({}, {}, {})
    assert [one.calls for one in world.registry.registrations() if one.calls] == []
    assert not any(one.breaker.is_probed for one in world.registry.registrations())

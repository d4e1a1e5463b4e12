"""`route` says of every candidate why it is taken or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.breaker import Breaker
from gleitzeitd.core.process import State
from gleitzeitd.core.targets import By, Target
from tests.hub.peers import RUNNING, STARTING, Site, site, spec, twins

pytestmark = pytest.mark.anyio


def explained(hub: Site, name: str = "tool", by: By = By.PROVIDER) -> dict[str, Any]:
    return hub.hub.router.explain(Target(by, name))


def reasons(hub: Site, name: str = "tool", by: By = By.PROVIDER) -> dict[str, str]:
    return {one["instance"]: one["reason"] for one in explained(hub, name, by)["candidates"]}


async def test_the_best_is_taken_and_the_rest_have_their_ranks() -> None:
    async with site(spec("a", priority=5, aliases={"fast": "m"}), spec("b", aliases={"fast": "n"})) as hub:
        await hub.provider("a", models=["m"])
        await hub.provider("b", standing=RUNNING, models=["n"])
        found = explained(hub, "fast", By.TARGET)
        assert found["target"] == {"by": "target", "name": "fast"}
        assert (found["how"], found["model"]) == ("alias", {"a": "m", "b": "n"})
        assert (found["strategy"], found["waiting"]) == ("least-busy", 0)
        first, second = found["candidates"]
        assert first == {
            "instance": "b",
            "provider": "b",
            "taken": True,
            "rank": 1,
            "reason": "it is the best by least-busy",
            "calls": 0,
            "slots": 64,
            "latency": None,
            "priority": 0,
            "weight": 1.0,
            "state": "RUNNING",
            "breaker": "closed",
            "model": "n",
        }
        assert (second["instance"], second["taken"], second["rank"]) == ("a", False, 2)


async def test_whoever_cannot_take_it_says_why() -> None:
    async with site(twins(concurrency=1)) as hub:
        await hub.provider("tool#1")
        (one,) = hub.hub.registry.registrations("tool#1")
        hub.hub.registry.stands("tool#2", replace(STARTING, state=State.FATAL, reason="no key"))
        assert reasons(hub) == {
            "tool#1": "it is the only one",
            "tool#2": "it is FATAL and not connected: no key",
        }
        one.ready = False
        assert reasons(hub)["tool#1"] == "it says that it is not ready"
        one.ready, one.degraded = True, True
        assert reasons(hub)["tool#1"] == "it says that it is degraded"
        one.degraded, one.draining = False, True
        assert "draining" in reasons(hub)["tool#1"]
        one.draining, one.fit = False, False
        assert reasons(hub)["tool#1"] == "its ready check has not passed"
        one.fit, one.slots = True, 0
        assert reasons(hub)["tool#1"] == "all of its slots (0) are taken"
        one.slots, one.trouble = 1, CallError("unavailable", "the backend is down")
        one.breaker = Breaker(until=anyio.current_time() + 60, span=60)
        assert "its breaker is open for another" in reasons(hub)["tool#1"]
        assert reasons(hub)["tool#1"].endswith("after: the backend is down")
        one.breaker = Breaker(until=0.0, span=60, is_probed=True)
        assert "one call is trying whether it is well again" in reasons(hub)["tool#1"]


async def test_whoever_has_not_said_what_it_offers_is_a_candidate() -> None:
    async with site(spec()) as hub:
        hub.hub.registry.stands("tool", replace(STARTING, reason="spawned"))
        assert explained(hub, "m", By.MODEL)["how"] == "undecided"
        assert reasons(hub, "m", By.MODEL) == {"tool": "it is STARTING and not connected: spawned"}


@pytest.mark.parametrize(
    ("by", "name", "code"),
    [
        (By.PROVIDER, "nobody", "not_found.provider"),
        (By.MODEL, "nothing", "not_found.model"),
        (By.CAPABILITY, "nothing", "not_found.capability"),
        (By.PROVIDER, "off", "no_instance"),
    ],
)
async def test_what_nobody_has_is_not_explained(by: By, name: str, code: str) -> None:
    async with site(spec()) as hub:
        await hub.provider()
        with pytest.raises(CallError) as failure:
            explained(hub, name, by)
        assert failure.value.code == code


async def test_the_strategy_of_a_pool_is_that_of_its_first_provider() -> None:
    async with site(spec("a", priority=1), spec("b", strategy="random")) as hub:
        for name in ("a", "b"):
            await hub.provider(name, models=["m"])
        assert explained(hub, "m", By.MODEL)["strategy"] == "random"

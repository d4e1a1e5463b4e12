"""What is answered when the hub asks how a provider is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import PATIENCE, FakeHub
from tests.sdk.subjects import serving

pytestmark = pytest.mark.anyio


async def asked(hub: FakeHub, provider: SocketIOProviderClient) -> Any:
    async with serving(provider, hub):
        await hub.tell("health", {"id": "h1"})
        return await hub.seen("health", id="h1")


async def test_a_class_that_says_nothing_is_healthy(hub: FakeHub) -> None:
    answer = await asked(hub, SocketIOProviderClient("plain", server_url=hub.url))

    assert answer == {"id": "h1", "ok": True, "health": {"healthy": True}}


@pytest.mark.parametrize(
    ("given", "health"),
    [
        ({"healthy": False, "error": "disk full"}, {"healthy": False, "error": "disk full"}),
        ({"status": "degraded"}, {"healthy": True, "status": "degraded"}),
        (False, {"healthy": False}),
    ],
)
async def test_the_author_s_own_words_are_the_answer(hub: FakeHub, given: Any, health: Any) -> None:
    class Provider(SocketIOProviderClient):
        async def get_health_status(self) -> Any:
            return given

    assert (await asked(hub, Provider("p", server_url=hub.url)))["health"] == health


async def test_a_plain_health_method_will_do(hub: FakeHub) -> None:
    class Provider(SocketIOProviderClient):
        def get_health_status(self) -> Any:
            return {"healthy": True, "metrics": {"requests": 3}}

    answer = await asked(hub, Provider("p", server_url=hub.url))

    assert answer["health"]["metrics"] == {"requests": 3}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (RuntimeError("upstream is down"), "RuntimeError: upstream is down"),
        ("fine", 'get_health_status() (test_health.py:{line}) gave a str: a dict with "healthy" is needed'),
        (
            {"since": b"1"},
            "the answer of get_health_status() (test_health.py:{line}) is not JSON: health.since is a bytes; "
            "send it as text, such as base64",
        ),
    ],
)
async def test_what_is_no_health_is_a_failure_in_words(hub: FakeHub, given: Any, sentence: str) -> None:
    class Provider(SocketIOProviderClient):
        async def get_health_status(self) -> Any:
            if isinstance(given, Exception):
                raise given
            return given

    answer = await asked(hub, Provider("p", server_url=hub.url))

    assert answer["ok"] is False
    line = Provider.get_health_status.__code__.co_firstlineno
    assert answer["error"]["message"] == sentence.replace("{line}", str(line))


async def test_asking_again_takes_the_place_of_a_check_that_hangs(hub: FakeHub) -> None:
    ended = asyncio.Event()

    class Provider(SocketIOProviderClient):
        checks = 0

        async def get_health_status(self) -> dict[str, Any]:
            self.checks += 1
            if self.checks == 1:
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()
            return {"healthy": True}

    provider = Provider("p", server_url=hub.url)
    async with serving(provider, hub):
        await hub.tell("health", {"id": "h1"})
        await hub.tell("health", {"id": "h2"})
        await hub.seen("health", id="h2")
        await asyncio.wait_for(ended.wait(), PATIENCE)

    assert not [data for name, data in hub.heard if name == "health" and data["id"] == "h1"]


async def test_a_list_that_was_changed_in_place_is_told_with_the_next_health(hub: FakeHub) -> None:
    provider = SocketIOProviderClient("p", server_url=hub.url, models=["a"])
    async with serving(provider, hub):
        provider.models.append("b")
        await hub.tell("health", {"id": "h1"})

        assert await hub.seen("update") == {"models": ["a", "b"]}

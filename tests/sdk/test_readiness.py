"""A provider that says itself when it may be called."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import FakeHub, a_hub
from tests.sdk.subjects import serving

pytestmark = pytest.mark.anyio


class Model(SocketIOProviderClient):
    def __init__(self, hub: FakeHub) -> None:
        super().__init__("model", server_url=hub.url)

    async def busy(self, reason: str) -> None:
        await self.not_ready(reason)

    async def free(self) -> None:
        await self.ready()

    def busy_in_a_thread(self) -> None:
        asyncio.run(self.not_ready("from a thread"))


def said(hub: FakeHub) -> list[tuple[str, Any]]:
    return [(name, data) for name, data in hub.heard if name in ("not_ready", "ready")]


async def test_what_is_not_ready_before_it_connects_is_registered_like_that(hub: FakeHub) -> None:
    model = Model(hub)
    await model.not_ready("loading weights")
    async with serving(model, hub):
        assert (await hub.seen("register"))["ready"] is False
        assert await hub.seen("not_ready") == {"reason": "loading weights"}
        await model.ready()
        await hub.seen("ready")

    assert said(hub) == [("not_ready", {"reason": "loading weights"}), ("ready", {})]


async def test_what_becomes_ready_while_it_registers_is_told(anyio_backend: str) -> None:
    tasks: list[asyncio.Task[None]] = []

    def answer(told: Any) -> Any:
        assert told["ready"] is False
        tasks.append(asyncio.create_task(model.ready()))
        return {"ok": True, "session": "s", "proto": 1}

    async with a_hub(answer=answer) as hub:
        model = Model(hub)
        await model.not_ready("loading weights")
        async with serving(model, hub):
            await hub.seen("ready")


async def test_it_may_change_at_any_time_and_is_told_once(hub: FakeHub) -> None:
    async with serving(Model(hub), hub):
        assert (await hub.seen("register"))["ready"] is True
        for reason in ("upstream is down", "upstream is down", "still"):
            await hub.call("busy", {"reason": reason})
        await hub.seen("not_ready", reason="still")
        await hub.call("free")
        await hub.seen("ready")

    reasons = ("upstream is down", "still")
    assert said(hub) == [*(("not_ready", {"reason": reason}) for reason in reasons), ("ready", {})]


async def test_a_thread_may_say_it_too(hub: FakeHub) -> None:
    async with serving(Model(hub), hub):
        await hub.call("busy_in_a_thread")
        assert await hub.seen("not_ready") == {"reason": "from a thread"}


async def test_it_holds_beyond_a_lost_connection(hub: FakeHub) -> None:
    model = Model(hub)
    async with serving(model, hub):
        await model.not_ready("loading")
        await hub.seen("not_ready")
        await hub.kick()
        assert (await hub.seen("register", nth=2))["ready"] is False
        await hub.seen("not_ready", nth=2)
        assert model.why_not_ready == "loading"

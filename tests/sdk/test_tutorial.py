"""The shapes that the tutorial shows, and its printed tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.subjects import Calculator


class Robust(SocketIOProviderClient):
    """The tutorial's: reads its keywords after it handed them on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_retries = kwargs.get("max_retries", 3)


class WellConfigured(SocketIOProviderClient):
    """The tutorial's: takes its keywords out before it hands the rest on."""

    def __init__(self, **kwargs: Any) -> None:
        self.api_key = kwargs.pop("api_key", None)
        if not self.api_key:
            raise ValueError("api_key is required")
        super().__init__(**kwargs)


class Monitored(SocketIOProviderClient):
    """The tutorial's: wraps what the base class does."""

    seen = 0

    async def add(self, a: float, b: float) -> float:
        return a + b

    @asynccontextmanager
    async def track_request(self, method: str) -> AsyncIterator[None]:
        self.seen += 1
        yield

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        async with self.track_request(method):
            return await super().invoke(method, **kwargs)


@pytest.mark.asyncio
async def test_the_shapes_of_the_tutorial_work() -> None:
    monitored = Monitored(name="m")

    assert Robust(name="r", max_retries=5).max_retries == 5
    assert WellConfigured(name="w", api_key="k").config == {}
    with pytest.raises(ValueError, match="api_key is required"):
        WellConfigured(name="w")
    assert await monitored.invoke("add", a=1, b=1) == 2
    assert monitored.seen == 1


# As printed in the tutorial, marker and all.


@pytest.mark.asyncio
async def test_calculator_addition() -> None:
    provider = Calculator(server_url="http://test")

    result = await provider.invoke("add", a=5, b=3)

    assert result["result"] == 8
    assert result["expression"] == "5 + 3 = 8"


@pytest.mark.asyncio
async def test_provider_health() -> None:
    provider = Calculator(server_url="http://test")

    health = await provider.get_health_status()

    assert health["healthy"] is True
    assert "add" in health["available_methods"]


@pytest.mark.asyncio
async def test_division_by_zero() -> None:
    provider = Calculator(server_url="http://test")

    with pytest.raises(ValueError, match="Division by zero"):
        await provider.invoke("divide", a=10, b=0)

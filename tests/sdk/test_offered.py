"""Methods that a provider learns of as it runs: told to the hub, called and streamed like declared ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gleitzeit_extensions import CallError, SocketIOProviderClient
from gleitzeit_extensions.client import Client
from gleitzeit_extensions.methods import public_methods
from gleitzeit_extensions.offered import Offered
from gleitzeit_extensions.testing import serving

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
SCHEMA = {"type": "object", "properties": {"method": {"type": "string"}}, "required": ["method"]}


class Bridge(SocketIOProviderClient):
    async def declared(self) -> str:
        return "declared"

    async def hidden(self) -> str:
        return "hidden"


async def call(args: dict[str, Any]) -> dict[str, Any]:
    return args


async def follow(args: dict[str, Any]) -> AsyncIterator[Any]:
    yield "on the way"
    yield args


def offered(name: str, *, idempotent: bool = False) -> Offered:
    return Offered(name, "It echoes.", idempotent=idempotent, call=call, follow=follow, parameters=SCHEMA)


async def names(client: Client) -> list[str]:
    (found,) = await client.providers()
    return [method["name"] for method in found["methods"]]


async def test_methods_are_those_that_were_offered_last() -> None:
    bridge = Bridge(name="bridge")
    async with serving(bridge) as client:
        assert await names(client) == ["declared", "hidden"]
        declared = public_methods(Bridge, SocketIOProviderClient)["declared"]
        await bridge.update_methods([declared, offered("echo", idempotent=True)])
        async with asyncio.timeout(PATIENCE):
            while await names(client) != ["declared", "echo"]:
                pass
        entries = {tool["name"]: tool for tool in await bridge.get_tools()}
        assert entries["echo"] == {
            "name": "echo",
            "description": "It echoes.",
            "parameters": SCHEMA,
            "stream": False,
            "idempotent": True,
        }
        assert await client.invoke("bridge", "declared") == "declared"
        with pytest.raises(CallError, match="it has declared, echo") as told:
            await client.invoke("bridge", "hidden")
        assert told.value.code == "not_found.method"


async def test_one_is_called_and_streamed_with_arguments_of_any_name() -> None:
    args = {"method": "GET", "self": 1, "args": 2}
    bridge = Bridge(name="bridge")
    await bridge.update_methods([offered("echo"), offered("stream")])
    async with serving(bridge) as client:
        for name in ("echo", "stream"):
            assert await client.invoke("bridge", name, args) == args
            assert [item async for item in client.stream("bridge", name, args)] == ["on the way", args]
        with pytest.raises(CallError, match="does not stream") as told:
            [item async for item in client.stream("bridge", "generate", {})]
        assert told.value.code == "not_found.method"
    assert await bridge.invoke("echo", a=1) == {"a": 1}


async def test_calls_wait_for_methods_that_are_yet_to_come() -> None:
    bridge = Bridge(name="bridge")
    await bridge.update_methods([])
    await bridge.not_ready("it looks for its methods")
    async with serving(bridge) as client:
        with pytest.raises(CallError) as told:
            await client.with_options(timeout=0.1).invoke("bridge", "echo", {})
        assert told.value.code == "deadline_exceeded"
        calling = asyncio.create_task(client.invoke("bridge", "echo", {"method": "x"}))
        await bridge.update_methods([offered("echo")])
        await bridge.ready()
        assert await asyncio.wait_for(calling, PATIENCE) == {"method": "x"}

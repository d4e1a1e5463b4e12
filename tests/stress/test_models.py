"""The providers of models against LiteLLM's proxy, which speaks their APIs and was written by nobody here."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.client import Client
from gleitzeit_extensions.client.errors import ClientError
from gleitzeit_extensions.testing import serving
from providers.openai_provider import OpenAIProvider
from tests.stress.litellm import ANSWER, MODELS, RELAYED, Proxy, litellm

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

HI = [{"role": "user", "content": "Hi"}]
ADD = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """It relays to the server of our own tests, so that what that one sends is read by somebody else, too."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    ours = subprocess.Popen([sys.executable, "-m", "tests.providers.openai_server", str(port)], cwd=ROOT)
    try:
        with litellm(tmp_path_factory.mktemp("litellm"), f"http://127.0.0.1:{port}/v1") as running:
            yield running
    finally:
        ours.kill()
        ours.wait()


ROOT = Path(__file__).resolve().parents[2]


def openai(proxy: Proxy, key: str = Proxy.token) -> OpenAIProvider:
    url = f"{proxy.url}/v1"
    return OpenAIProvider(
        name="gpt", api_key=key, base_url=url, default_model="mock", embedding_model="embed"
    )


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    async with serving(openai(proxy)) as client:
        yield client


async def test_each_method_of_openai_is_answered(client: Client) -> None:
    said = await client.invoke("gpt", "generate", prompt="Hi")
    asks = await client.invoke("gpt", "chat", messages=HI, tools=ADD, model="asks")
    vectors = await client.invoke("gpt", "embed", input=["Hi"])
    response = await client.invoke("gpt", "respond", input="Hi")

    assert said["text"] == ANSWER
    assert said["finish_reason"] == "stop"
    assert said["usage"]["output_tokens"] > 0
    assert asks["message"]["tool_calls"][0]["function"] == {"name": "add", "arguments": '{"a": 1}'}
    assert vectors["embeddings"] == [[0.5, 0.25]]
    assert (response["text"], response["finish_reason"]) == (ANSWER, "stop")


async def test_streams_of_openai_are_whole(client: Client) -> None:
    items = await streamed(client, "stream", prompt="Hi")
    asks = (await streamed(client, "stream", messages=HI, tools=ADD, model="relayed"))[-1]
    response = await streamed(client, "respond_stream", input="Hi", model="relayed")

    assert "".join(item["token"] for item in items) == ANSWER
    assert items[-1]["usage"]["output_tokens"] > 0
    assert [call["function"]["arguments"] for call in asks["tool_calls"]] == ['{"a":1}', "{}"]
    assert "".join(item["token"] for item in response) == "Hi all"
    assert response[-1]["usage"] == {"input_tokens": 3, "output_tokens": 2}


async def streamed(client: Client, method: str, **args: Any) -> list[Any]:
    async with client.stream("gpt", method, **args) as items:
        return [item async for item in items]


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("busy", "rate_limited"),
        ("long", "context_too_long"),
        ("broken", "unavailable"),
        ("nobody", "not_found.model"),
    ],
)
async def test_what_openai_refuses_is_told_by_its_class(proxy: Proxy, model: str, code: str) -> None:
    # One at a time at a hub of its own: the breaker of an instance that fails would answer the next one.
    async with serving(openai(proxy)) as client:
        with pytest.raises(ClientError) as told:
            await client.invoke("gpt", "generate", prompt="Hi", model=model)

    assert told.value.code == code


async def test_models_are_found_and_health_is_told_of_openai(proxy: Proxy) -> None:
    right, wrong = openai(proxy), openai(proxy, "sk-of-somebody-else")
    assert set(await right.discover_models()) == {*MODELS, *RELAYED}
    assert (await right.get_health_status())["metrics"] == {"models": len(MODELS | RELAYED)}
    assert (await wrong.get_health_status())["status"] == "degraded"
    await right.on_disconnected()
    await wrong.on_disconnected()


async def read(items: Any) -> None:
    async for _ in items:
        pass


async def test_a_proxy_that_is_killed_is_unavailable_until_it_is_back(client: Client, proxy: Proxy) -> None:
    async with client.stream("gpt", "stream", prompt="Hi", model="endless") as items:
        await anext(aiter(items))
        proxy.kill()
        with pytest.raises(ClientError) as told:
            await read(items)
    assert told.value.code == "unavailable"
    await asyncio.to_thread(proxy.run)
    assert (await client.invoke("gpt", "generate", prompt="Hi"))["text"] == ANSWER

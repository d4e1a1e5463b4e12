"""Anthropic's provider against LiteLLM's proxy, which has its API and was written by nobody here.

Its mock streams nothing to Anthropic's API: what is streamed here it had from the server of our own tests, in
the words of OpenAI, and wrote down in those of Anthropic.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gleitzeit_extensions.client import Client
from gleitzeit_extensions.client.errors import ClientError
from gleitzeit_extensions.testing import serving
from providers.anthropic_provider import AnthropicProvider
from tests.stress.litellm import ANSWER, MODELS, RELAYED, Proxy, litellm

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
HI = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    ours = subprocess.Popen([sys.executable, "-m", "tests.providers.openai_server", str(port)], cwd=ROOT)
    try:
        with litellm(tmp_path_factory.mktemp("litellm"), f"http://127.0.0.1:{port}/v1") as running:
            yield running
    finally:
        ours.kill()
        ours.wait()


def claude(proxy: Proxy, key: str = Proxy.token) -> AnthropicProvider:
    return AnthropicProvider(name="claude", api_key=key, base_url=proxy.url, default_model="claude")


@pytest.fixture
async def client(proxy: Proxy) -> AsyncIterator[Client]:
    async with serving(claude(proxy)) as client:
        yield client


async def test_each_method_of_anthropic_is_answered(client: Client) -> None:
    said = await client.invoke("claude", "generate", prompt="Hi", system="Be brief")
    chat = await client.invoke("claude", "chat", messages=[{"role": "system", "content": "Be brief"}, *HI])
    counted = await client.invoke("claude", "count_tokens", messages=HI)

    assert (said["text"], said["finish_reason"]) == (ANSWER, "stop")
    assert said["usage"]["output_tokens"] > 0
    assert chat["message"] == {"role": "assistant", "content": ANSWER}
    assert counted["input_tokens"] > 0


async def test_a_stream_of_anthropic_is_whole(client: Client) -> None:
    async with client.stream("claude", "stream", prompt="Hi", model="relayed") as items:
        read = [item async for item in items]

    assert "".join(item["token"] for item in read) == "Hi all"
    assert "".join(item.get("thinking", "") for item in read) == "Hm."
    assert [block["type"] for block in read[-1]["blocks"]] == ["thinking", "text"]
    assert [item["done"] for item in read] == [False] * (len(read) - 1) + [True]
    assert (read[-1]["finish_reason"], set(read[-1]["usage"])) == ("stop", {"input_tokens", "output_tokens"})


async def test_what_does_not_stream_is_told(client: Client) -> None:
    with pytest.raises(ClientError, match="with no stream") as told:
        async with client.stream("claude", "stream", prompt="Hi") as items:
            await anext(aiter(items))
    assert told.value.code == "provider_error"


async def test_a_model_that_it_has_not_is_told(client: Client) -> None:
    with pytest.raises(ClientError) as told:
        await client.invoke("claude", "generate", prompt="Hi", model="nobody")
    assert told.value.code == "not_found.model"


async def test_models_are_found_and_health_is_told_of_anthropic(proxy: Proxy) -> None:
    right, wrong = claude(proxy), claude(proxy, "sk-of-somebody-else")
    assert set(await right.discover_models()) == {*MODELS, *RELAYED}
    assert (await right.get_health_status())["metrics"] == {"models": len(MODELS | RELAYED)}
    health = await wrong.get_health_status()
    assert (health["status"], "of-somebody-else" in health["reason"]) == ("degraded", False)
    await right.on_disconnected()
    await wrong.on_disconnected()


async def test_a_proxy_that_is_killed_is_unavailable_until_it_is_back(client: Client, proxy: Proxy) -> None:
    async with client.stream("claude", "stream", prompt="Hi", model="endless") as items:
        await anext(aiter(items))
        proxy.kill()
        with pytest.raises(ClientError) as told:
            _ = [item async for item in items]
    assert told.value.code == "unavailable"
    await asyncio.to_thread(proxy.run)
    assert (await client.invoke("claude", "generate", prompt="Hi"))["text"] == ANSWER

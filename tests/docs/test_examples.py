"""Each example of a provider does what it is an example of, against servers of the test's own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions import client
from gleitzeit_extensions.client import Capability, SyncClient
from gleitzeit_extensions.testing import served
from tests.docs.upstreams import upstream

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def made(dotted: str, **config: Any) -> Any:
    """A provider as a configuration would have it."""
    module, _, name = dotted.partition(".")
    with pytest.MonkeyPatch.context() as here:
        here.setattr(sys, "path", [str(EXAMPLES), *sys.path])
        cls = getattr(import_module(module), name)
    return cls(name=module, **config)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with upstream() as url:
        yield url


@pytest.fixture(scope="module")
def ollama(url: str) -> Iterator[SyncClient]:
    models = ["llama3.2"]
    with served(made("my_local_llm_provider.OllamaProvider", ollama_url=url, models=models)) as calling:
        yield calling


def test_ollama_answers_prompts_and_conversations(ollama: SyncClient) -> None:
    assert ollama.invoke("llama3.2", "generate", prompt="hi you") == {
        "text": "HI YOU",
        "model": "llama3.2",
        "tokens": 2,
    }
    said = ollama.invoke("llama3.2", "chat", messages=[{"role": "user", "content": "hi"}])["message"]
    assert said == {"role": "assistant", "content": "HI"}


def test_ollama_streams(ollama: SyncClient) -> None:
    items = list(ollama.stream("llama3.2", "stream", prompt="one two"))

    assert [(item["token"], item["done"]) for item in items] == [("ONE ", False), ("TWO ", True)]


def test_ollama_says_what_was_wrong_with_a_call(ollama: SyncClient) -> None:
    with pytest.raises(client.InvalidRequest, match=r"Ollama answered 404: .*model 'none' not found"):
        ollama.invoke("my_local_llm_provider", "generate", prompt="hi", model="none")


@pytest.mark.asyncio
async def test_ollama_has_the_models_that_its_server_has_and_gets_no_calls_while_it_is_down(url: str) -> None:
    up = made("my_local_llm_provider.OllamaProvider", ollama_url=url)
    down = made("my_local_llm_provider.OllamaProvider", ollama_url="http://127.0.0.1:1")
    try:
        assert await up.discover_models() == ["llama3.2", "phi3"]
        assert await up.get_health_status() == {"healthy": True, "models": 2}
        health = await down.get_health_status()
        assert (health["healthy"], health["status"]) == (True, "degraded")
    finally:
        for provider in (up, down):
            await provider.on_disconnected()


def test_the_retrying_one_asks_again_where_that_may_help(url: str) -> None:
    provider = made("retrying_provider.RetryingProvider", base_url=url, max_retries=2, retry_delay=0.001)
    nobody = made("retrying_provider.RetryingProvider", base_url="http://127.0.0.1:1", retry_delay=0.001)
    with served(provider) as calling:
        assert (
            calling.invoke("retrying_provider", "fetch", paths=["/flaky", "/flaky"]) == ['{"well": true}'] * 2
        )
        with pytest.raises(client.InvalidRequest, match="401"):
            calling.invoke("retrying_provider", "fetch", paths=["/v1/models"])
    with served(nobody) as calling, pytest.raises(client.Unavailable, match="3 attempts failed"):
        calling.invoke("retrying_provider", "fetch", paths=["/"])


def test_the_metered_one_counts() -> None:
    with served(made("metered_provider.MeteredProvider")) as calling:
        assert calling.invoke("metered_provider", "divide", a=1, b=8) == 0.125
        with pytest.raises(client.ProviderFailed, match="division by zero"):
            calling.invoke("metered_provider", "divide", a=1, b=0)
        health = calling.health("metered_provider")["health"]
    assert health["healthy"]
    assert (health["metrics"]["requests"], health["metrics"]["errors"]) == (2, 1)


def test_the_smart_one_is_found_by_what_it_can_do_and_decides_by_the_arguments() -> None:
    with served(made("capability_routing_provider.SmartProvider")) as calling:
        assert (
            calling.invoke(Capability("vision"), "generate", image="AAAA")["text"] == "a picture of 3 bytes"
        )
        assert calling.invoke(Capability("math"), "generate", prompt="1 + 2")["text"] == "3"
        assert calling.invoke(Capability("text"), "generate", prompt="hello")["by"] == "text"
        with pytest.raises(client.InvalidRequest, match="give a prompt or an image"):
            calling.invoke(Capability("text"), "generate")


def test_the_streaming_one_ends_what_nobody_reads_any_more() -> None:
    provider = made("streaming_provider.StreamingProvider")
    with served(provider) as calling:
        with calling.stream("streaming_provider", "stream", prompt="one two three", pause=60) as items:
            assert next(items) == {"token": "one ", "done": False}
            assert provider.open_streams == 1
        assert list(calling.stream("streaming_provider", "countdown", start=3)) == [3, 2, 1]
    assert provider.open_streams == 0

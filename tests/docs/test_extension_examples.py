"""The extensions among the examples, in a program of their own, against a server of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions import ExtensionManager, InvalidRequest, RateLimited, Unavailable
from gleitzeit_extensions.exceptions import ExtensionConfigError
from tests.docs.upstreams import KEY, upstream

EXTENSIONS = Path(__file__).resolve().parents[2] / "examples" / "extensions"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with upstream() as url:
        yield url


def manager() -> ExtensionManager:
    made = ExtensionManager()
    assert sorted(made.discover_extensions([str(EXTENSIONS)])) == ["claude", "openai"]
    assert made.problems == ()
    return made


@asynccontextmanager
async def running(name: str, **config: Any) -> AsyncIterator[Any]:
    """The extension, started."""
    managing = manager()
    extension = managing.load_extension(name, **config)
    await managing.start_extension(name)
    try:
        yield extension
    finally:
        await managing.stop_extension(name)


@pytest.mark.asyncio
async def test_openai_answers_streams_and_is_well(url: str) -> None:
    async with running("openai", api_key=KEY, base_url=f"{url}/v1") as openai:
        assert await openai.generate("hi you", model="gpt-4") == {"text": "HI YOU", "model": "gpt-4"}
        assert [item["token"] async for item in openai.stream("one two")] == ["ONE ", "TWO "]
        assert await openai.health_check() == {"healthy": True}


@pytest.mark.asyncio
async def test_openai_tells_the_hub_what_to_do_with_a_call_that_failed(url: str) -> None:
    async with running("openai", api_key=KEY, base_url=f"{url}/v1") as openai:
        with pytest.raises(RateLimited) as caught:
            await openai.generate("slowly")
        assert caught.value.detail == {"retry_after": 7.0}
    async with running("openai", api_key="sk-wrong", base_url=f"{url}/v1") as openai:
        told = await openai.health_check()
        assert (told["healthy"], told["status"]) == (True, "degraded")
        assert "Incorrect API key" in told["reason"]
        with pytest.raises(InvalidRequest, match="401"):
            await openai.generate("hi")


@pytest.mark.asyncio
async def test_an_error_in_the_middle_of_a_stream_of_openai_is_told_in_its_words(url: str) -> None:
    async with running("openai", api_key=KEY, base_url=f"{url}/v1") as openai:
        with pytest.raises(Unavailable, match="broke off: too many people"):
            async for _ in openai.stream("break off"):
                pass


@pytest.mark.asyncio
async def test_claude_answers_streams_and_says_that_it_is_overloaded(url: str) -> None:
    async with running("claude", api_key=KEY, base_url=url) as claude:
        answer = await claude.generate("hi you")
        assert (answer["text"], answer["model"]) == ("HI YOU", "claude-haiku-4-5")
        assert [item["token"] async for item in claude.stream("one two")] == ["ONE ", "TWO "]
        with pytest.raises(Unavailable, match="529"):
            await claude.chat([{"role": "user", "content": "slowly"}])


def test_neither_is_loaded_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    managing = manager()
    for name, variable in (("openai", "OPENAI_API_KEY"), ("claude", "ANTHROPIC_API_KEY")):
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(ExtensionConfigError, match=variable):
            managing.load_extension(name)


def test_the_demo_asks_whom_the_environment_has_a_key_of(url: str) -> None:
    env = {**os.environ, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1"}
    demo = [sys.executable, str(EXTENSIONS / "extension_usage_demo.py"), "hello you"]

    done = subprocess.run(demo, env=env, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "gpt-4o: by openai, for text, vision" in done.stdout
    assert "HELLO YOU" in done.stdout
    assert KEY not in done.stdout


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["openai", "claude"])
async def test_a_server_that_cannot_be_reached_is_unavailable(name: str) -> None:
    async with running(name, api_key=KEY, base_url="http://127.0.0.1:1") as extension:
        with pytest.raises(Unavailable, match=r"nobody answers at http://127\.0\.0\.1:1"):
            await extension.generate("hi")
        with pytest.raises(Unavailable, match="nobody answers"):
            await anext(extension.stream("hi"))

"""The extensions that come along, at servers that answer as the vendors' do."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from gleitzeit_extensions import CallError, ExtensionManager
from tests.providers.anthropic_server import FakeAnthropic
from tests.providers.openai_server import FakeOpenAI

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("name", "fake"), [("openai", FakeOpenAI("key")), ("claude", FakeAnthropic("key"))])
async def test_it_answers_as_the_provider_does(name: str, fake: FakeOpenAI | FakeAnthropic) -> None:
    runner = web.AppRunner(fake.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    path = "/v1" if name == "openai" else ""
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    manager = ExtensionManager()
    extension: Any = manager.load_extension(name, api_key="key", base_url=url, default_model="small")
    await manager.start_all_extensions()
    try:
        assert (await extension.generate("Hi"))["text"] == "Hi all"
        said = await extension.chat([{"role": "user", "content": "Hi"}], max_tokens=5)
        assert said["message"]["content"] == "Hi all"
        items = [item async for item in extension.stream("Hi")]
        assert "".join(item["token"] for item in items) == "Hi all"
        assert (await extension.health_check())["healthy"] is True
        with pytest.raises(CallError, match="it takes no nonsense"):
            await extension.generate("Hi", nonsense=1)
    finally:
        await manager.stop_all_extensions()
        await runner.cleanup()

"""The extensions that come along, at servers that answer as the vendors' do."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from gleitzeit_extensions import CallError, ExtensionManager
from gleitzeit_extensions.exceptions import ExtensionNotFound
from tests.providers.anthropic_server import FakeAnthropic
from tests.providers.openai_server import FakeOpenAI

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("name", "fake"), [("openai", FakeOpenAI("key")), ("claude", FakeAnthropic("key"))])
async def test_it_answers_as_the_provider_does(name: str, fake: FakeOpenAI | FakeAnthropic) -> None:
    app = fake.app()
    app.middlewares.append(_compressed_if_that_is_asked_for)
    runner = web.AppRunner(app)
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


@web.middleware
async def _compressed_if_that_is_asked_for(request: web.Request, handler: Any) -> web.StreamResponse:
    """As the vendors do; what is compressed is refused."""
    response: web.StreamResponse = await handler(request)
    if not response.prepared:
        response.enable_compression()
    return response


def test_a_misspelt_name_is_told_the_one_that_comes_along() -> None:
    with pytest.raises(ExtensionNotFound, match=r'no extension "opnai" \(did you mean openai\?\)'):
        ExtensionManager().load_extension("opnai")

"""T8: the tutorial's block for OpenAI, with its variables, at a server that answers as OpenAI does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from tests.docs.desk import own_address
from tests.house import house
from tests.providers.openai_server import FakeOpenAI

BLOCK = """
providers:
  openai:
    enabled: true
    type: llm
    class: providers.openai_provider.OpenAIProvider
    config:
      name: openai
      api_key: ${OPENAI_API_KEY}        # From environment
      base_url: ${OPENAI_BASE_URL:-https://api.openai.com/v1}  # With default
      server_url: http://localhost:8000
"""


@contextmanager
def openai() -> Iterator[str]:
    """The URL of the server, which runs in a thread."""
    loop, runner = asyncio.new_event_loop(), web.AppRunner(FakeOpenAI("sk-secret").app())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def serve() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}/v1"

    try:
        yield asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_t8_variables_with_and_without_a_default(tmp_path: Path) -> None:
    hub_url = f"http://{own_address()}:8000"
    text = BLOCK.replace("http://localhost:8000", hub_url)
    hub = f"global: {{default_server_url: '{hub_url}'}}\n"
    with openai() as url, house(tmp_path, hub + text, started=False) as d:
        shown = d.ctl("config", "validate", "--config-file", str(d.config))
        assert shown.returncode == 2
        assert "providers.yaml:10:16: providers.openai.config.api_key: " in shown.stdout + shown.stderr
        assert "OPENAI_API_KEY" in shown.stdout + shown.stderr

        d.environment |= {"OPENAI_API_KEY": "sk-secret", "OPENAI_BASE_URL": url}
        d.start()
        d.until("openai", "RUNNING")
        assert d.invoke("openai", "generate", {"prompt": "Hi", "model": "gpt-4"})["text"] == "Hi all"
        assert "sk-secret" not in d.ctl("config", "show").stdout
        assert url in d.ctl("config", "show").stdout

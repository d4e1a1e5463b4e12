"""What `extension.yaml` beside it declares: Claude, by Anthropic's messages API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from messages import refuse, texts

from gleitzeit_extensions import Unavailable, idempotent
from gleitzeit_extensions.config_loader import ConfigBasedExtension

MODEL = "claude-haiku-4-5"


class ClaudeService(ConfigBasedExtension):
    """Chats with Claude."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._http: aiohttp.ClientSession | None = None

    async def setup(self) -> None:
        self._http = aiohttp.ClientSession(
            headers={"x-api-key": self.config["api_key"], "anthropic-version": "2023-06-01"},
            timeout=aiohttp.ClientTimeout(
                sock_connect=self.config["timeout"], sock_read=self.config["timeout"]
            ),
        )

    async def stop(self) -> None:
        if self._http:
            await self._http.close()

    @idempotent
    async def generate(self, prompt: str, model: str = MODEL, **options: Any) -> dict[str, Any]:
        """What Claude makes of a prompt."""
        return await self.chat([{"role": "user", "content": prompt}], model, **options)

    @idempotent
    async def chat(
        self, messages: list[dict[str, Any]], model: str = MODEL, **options: Any
    ) -> dict[str, Any]:
        """The next message of a conversation; each has a `role` and `content`."""
        async with self._asked(messages, model, options) as response:
            await refuse(response)
            answer = await response.json()
        text = "".join(part["text"] for part in answer["content"] if part["type"] == "text")
        return {"text": text, "model": answer["model"], "usage": answer.get("usage")}

    @idempotent
    async def stream(self, prompt: str, model: str = MODEL, **options: Any) -> AsyncIterator[dict[str, Any]]:
        """What Claude makes of a prompt, as it comes."""
        messages = [{"role": "user", "content": prompt}]
        async with self._asked(messages, model, {**options, "stream": True}) as response:
            await refuse(response)
            async for text in texts(response):
                yield {"token": text, "model": model}

    async def health_check(self) -> dict[str, Any]:
        return {"healthy": self._http is not None, "url": self.config["base_url"]}

    @asynccontextmanager
    async def _asked(
        self, messages: list[dict[str, Any]], model: str, options: dict[str, Any]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._http is None:
            raise Unavailable("it has not been set up")
        url = self.config["base_url"].rstrip("/")
        body = {"max_tokens": self.config["max_tokens"], **options, "model": model, "messages": messages}
        try:
            async with self._http.post(f"{url}/v1/messages", json=body) as response:
                yield response
        except aiohttp.ClientConnectionError as exc:
            raise Unavailable(f"nobody answers at {url}: {exc}") from exc

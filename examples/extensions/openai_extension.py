"""OpenAI's models, or those of any server that speaks its HTTP API (vLLM, llama.cpp, LM Studio, ...).

In providers.yaml, with this file in `extensions/` beside it:

  openai:
    type: llm
    extension: openai
    config: {api_key: "${OPENAI_API_KEY}"}
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from gleitzeit_extensions import InvalidRequest, RateLimited, Unavailable, idempotent
from gleitzeit_extensions.decorators import capability, config_field, extension, model, requires


@extension(name="openai", description="OpenAI's chat models", version="1.0.0")
@requires("aiohttp>=3.9")
@model("gpt-4", capabilities=["text"], max_tokens=8192)
@model("gpt-4o", capabilities=["text", "vision"], max_tokens=16384)
@model("gpt-4o-mini", capabilities=["text", "vision"], max_tokens=16384)
@capability("chat", "streaming")
@config_field("api_key", field_type="secret", required=True, env_var="OPENAI_API_KEY")
@config_field("base_url", default="https://api.openai.com/v1", env_var="OPENAI_BASE_URL")
@config_field(
    "timeout", field_type="number", default=60, min=1, description="seconds that the server may be silent"
)
class OpenAIExtension:
    """Chats with a model."""

    def __init__(self, api_key: str, base_url: str, timeout: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self._timeout = aiohttp.ClientTimeout(sock_connect=timeout, sock_read=timeout)
        self._http: aiohttp.ClientSession | None = None

    async def setup(self) -> None:
        self._http = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)

    async def stop(self) -> None:
        if self._http:
            await self._http.close()

    @idempotent
    async def generate(self, prompt: str, model: str = "gpt-4o-mini", **options: Any) -> dict[str, Any]:
        """What a model makes of a prompt."""
        answer = await self.chat([{"role": "user", "content": prompt}], model, **options)
        return {"text": answer["message"]["content"], "model": answer["model"]}

    @idempotent
    async def chat(
        self, messages: list[dict[str, Any]], model: str = "gpt-4o-mini", **options: Any
    ) -> dict[str, Any]:
        """The next message of a conversation.

        Args:
            messages: each with a `role` and `content`
            options: whatever the API knows, such as temperature and max_tokens
        """
        body = {**options, "model": model, "messages": messages}
        async with self._asked("/chat/completions", body) as response:
            await _refuse(response)
            answer = await response.json()
        return {
            "message": answer["choices"][0]["message"],
            "model": answer["model"],
            "usage": answer.get("usage"),
        }

    @idempotent
    async def stream(
        self, prompt: str, model: str = "gpt-4o-mini", **options: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """What a model makes of a prompt, as it comes."""
        messages = [{"role": "user", "content": prompt}]
        body = {**options, "model": model, "messages": messages, "stream": True}
        async with self._asked("/chat/completions", body) as response:
            await _refuse(response)
            async for line in response.content:
                told = line.decode().removeprefix("data:").strip()
                if told == "[DONE]":
                    return
                if not told:
                    continue
                event = json.loads(told)
                if "error" in event:
                    raise Unavailable(f"OpenAI broke off: {event['error'].get('message')}")
                if choices := event["choices"]:
                    yield {"token": choices[0]["delta"].get("content") or "", "model": model}

    async def health_check(self) -> dict[str, Any]:
        try:
            async with self._asked("/models") as response:
                await _refuse(response)
        except (Unavailable, RateLimited, InvalidRequest) as exc:
            # Not unhealthy: a restart of this process would mend nothing up there.
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True}

    @asynccontextmanager
    async def _asked(
        self, path: str, body: dict[str, Any] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._http is None:
            raise Unavailable("it has not been set up")
        method = "POST" if body else "GET"
        try:
            async with self._http.request(method, self._base_url + path, json=body) as response:
                yield response
        except aiohttp.ClientConnectionError as exc:
            raise Unavailable(f"nobody answers at {self._base_url}: {exc}") from exc


async def _refuse(response: aiohttp.ClientResponse) -> None:
    """Raise what an answer that is no success means for the call."""
    if response.status < 400:
        return
    sentence = f"OpenAI answered {response.status}: {(await response.text())[:500]}"
    if response.status == 429:
        wait = response.headers.get("Retry-After", "")
        raise RateLimited(sentence, float(wait) if wait.isdecimal() else None)
    raise (InvalidRequest if response.status < 500 else Unavailable)(sentence)

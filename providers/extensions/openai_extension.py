"""OpenAI's models as an extension, for a program that has none of its own called `openai`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gleitzeit_extensions import idempotent
from gleitzeit_extensions.decorators import capability, config_field, extension, model, requires
from providers.openai_provider import OpenAIProvider

Item = dict[str, Any]


@extension(name="openai", description="OpenAI's models, and those of compatible servers", version="1.0.0")
@requires("openai>=3.50")
@model("gpt-4", capabilities=["text"])
@model("gpt-4o", capabilities=["text", "vision"])
@model("gpt-4o-mini", capabilities=["text", "vision"])
@capability("text", "chat", "streaming", "embeddings")
@config_field("api_key", field_type="secret", required=True, env_var="OPENAI_API_KEY")
@config_field("base_url", default="https://api.openai.com/v1", env_var="OPENAI_BASE_URL")
@config_field("default_model", default="gpt-4o-mini", description="answers calls that name none")
class OpenAIExtension:
    """What `providers.openai_provider.OpenAIProvider` does, without a daemon."""

    def __init__(self, api_key: str, base_url: str, default_model: str) -> None:
        self._provider = OpenAIProvider(
            name="openai", api_key=api_key, base_url=base_url, default_model=default_model
        )

    async def stop(self) -> None:
        await self._provider.on_disconnected()

    async def health_check(self) -> Item:
        return await self._provider.get_health_status()

    @idempotent
    async def generate(self, prompt: str, model: str | None = None, **options: Any) -> Any:
        """What a model makes of a prompt: `{text, model, usage, finish_reason}`."""
        return await self._provider.invoke("generate", prompt=prompt, model=model, **options)

    @idempotent
    async def chat(self, messages: list[Item], model: str | None = None, **options: Any) -> Any:
        """The next message of a conversation: `{message, model, usage, finish_reason}`."""
        return await self._provider.invoke("chat", messages=messages, model=model, **options)

    @idempotent
    async def stream(self, prompt: str, model: str | None = None, **options: Any) -> AsyncIterator[Item]:
        """Token by token: `{token, done, model}`."""
        async for item in self._provider.stream(prompt, model=model, **options):
            yield item

    @idempotent
    async def embed(self, input: str | list[str], model: str | None = None) -> Item:
        """One vector for each text: `{embeddings, model, usage}`."""
        return await self._provider.embed(input, model)

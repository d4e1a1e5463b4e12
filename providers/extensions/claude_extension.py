"""Claude's models as an extension, for a program that has none of its own called `claude`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from providers.anthropic_provider import AnthropicProvider

from gleitzeit_extensions import idempotent
from gleitzeit_extensions.decorators import capability, config_field, extension, model, requires

Item = dict[str, Any]


@extension(name="claude", description="Anthropic's Claude models", version="1.0.0")
@requires("anthropic>=2.10")
@model("claude-sonnet-4-5", capabilities=["text", "vision"])
@model("claude-haiku-4-5", capabilities=["text", "vision"])
@capability("text", "chat", "streaming")
@config_field("api_key", field_type="secret", required=True, env_var="ANTHROPIC_API_KEY")
@config_field("base_url", default="https://api.anthropic.com", env_var="ANTHROPIC_BASE_URL")
@config_field("default_model", default="claude-sonnet-4-5", description="answers calls that name none")
class ClaudeExtension:
    """What `providers.anthropic_provider.AnthropicProvider` does, without a daemon."""

    def __init__(self, api_key: str, base_url: str, default_model: str) -> None:
        self._provider = AnthropicProvider(
            name="claude", api_key=api_key, base_url=base_url, default_model=default_model
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

"""A provider of models as an extension, which needs no daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from gleitzeit_extensions import SocketIOProviderClient, idempotent

Item = dict[str, Any]


class AsExtension:
    """What all providers of models do. `options` are the further arguments of the provider's own method."""

    def __init__(self, provider: SocketIOProviderClient) -> None:
        self._provider = provider

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

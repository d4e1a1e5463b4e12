"""OpenAI's models as an extension, for a program that has none of its own called `openai`."""

from __future__ import annotations

from typing import Any

from gleitzeit_extensions import idempotent
from gleitzeit_extensions.decorators import capability, config_field, extension, model, requires
from providers.as_extension import AsExtension
from providers.openai_provider import OpenAIProvider


@extension(name="openai", description="OpenAI's models, and those of compatible servers", version="1.0.0")
@requires("openai>=3.50")
@model("gpt-4", capabilities=["text"])
@model("gpt-4o", capabilities=["text", "vision"])
@model("gpt-4o-mini", capabilities=["text", "vision"])
@capability("text", "chat", "streaming", "embeddings")
@config_field("api_key", field_type="secret", required=True, env_var="OPENAI_API_KEY")
@config_field("base_url", default="https://api.openai.com/v1", env_var="OPENAI_BASE_URL")
@config_field("default_model", default="gpt-4o-mini", description="answers calls that name none")
class OpenAIExtension(AsExtension):
    """What `OpenAIProvider` does."""

    def __init__(self, api_key: str, base_url: str, default_model: str) -> None:
        super().__init__(
            OpenAIProvider(name="openai", api_key=api_key, base_url=base_url, default_model=default_model)
        )

    @idempotent
    async def embed(self, input: str | list[str], model: str | None = None) -> Any:
        """One vector for each text: `{embeddings, model, usage}`."""
        return await self._provider.invoke("embed", input=input, model=model)

"""Claude's models as an extension, for a program that has none of its own called `claude`."""

from __future__ import annotations

from gleitzeit_extensions.decorators import capability, config_field, extension, model, requires
from providers.anthropic_provider import AnthropicProvider
from providers.as_extension import AsExtension


@extension(name="claude", description="Anthropic's Claude models", version="1.0.0")
@requires("anthropic>=2.10")
@model("claude-sonnet-4-5", capabilities=["text", "vision"])
@model("claude-haiku-4-5", capabilities=["text", "vision"])
@capability("text", "chat", "streaming")
@config_field("api_key", field_type="secret", required=True, env_var="ANTHROPIC_API_KEY")
@config_field("base_url", default="https://api.anthropic.com", env_var="ANTHROPIC_BASE_URL")
@config_field("default_model", default="claude-sonnet-4-5", description="answers calls that name none")
class ClaudeExtension(AsExtension):
    """What `AnthropicProvider` does."""

    def __init__(self, api_key: str, base_url: str, default_model: str) -> None:
        super().__init__(
            AnthropicProvider(name="claude", api_key=api_key, base_url=base_url, default_model=default_model)
        )

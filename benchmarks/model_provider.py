"""The provider of the gateway benchmark: it says what LiteLLM's mock says, in the same envelope."""

from __future__ import annotations

from typing import Any

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

ANSWER = "The quick brown fox jumps over the lazy dog. " * 5


class ModelProvider(SocketIOProviderClient):
    def __init__(self, **settings: Any) -> None:
        super().__init__(name="model", models=["mock"], **settings)

    async def chat(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        """A chat completion, as OpenAI has it."""
        return {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 0,
            "model": "mock",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": ANSWER},
                }
            ],
            "usage": {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30},
        }

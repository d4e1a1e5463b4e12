"""A language model that says what it is told: for trying streams, and for tests, without any model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from gleitzeit_extensions import idempotent
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

MODEL = "echo"


class EchoProvider(SocketIOProviderClient):
    """Answers a prompt with the prompt, at once or word by word."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("provider_type", "llm")
        kwargs.setdefault("models", [MODEL])
        kwargs.setdefault("capabilities", ["text"])
        kwargs.setdefault("description", "Says what it is told")
        example = {"method": "stream", "args": {"prompt": "one word at a time"}, "stream": True}
        kwargs.setdefault("metadata", {"example": example})
        super().__init__(**kwargs)

    @idempotent
    async def generate(
        self, prompt: str, delay: float = 0, model: str = MODEL, **options: Any
    ) -> dict[str, Any]:
        """The prompt, once more.

        Args:
            prompt: what it says
            delay: seconds until it says so
        """
        await asyncio.sleep(delay)
        return {"text": prompt, "model": model}

    @idempotent
    async def stream(
        self, prompt: str, delay: float = 0.05, model: str = MODEL, **options: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """The prompt word by word.

        Args:
            prompt: what it says
            delay: seconds before each word
        """
        words = prompt.split()
        for n, word in enumerate(words, start=1):
            await asyncio.sleep(delay)
            yield {"token": f"{word} ", "done": n == len(words), "model": model}

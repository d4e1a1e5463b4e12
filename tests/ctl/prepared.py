"""A house with what the examples of the commands name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.house import House, house

SPEAKER = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Speaker(SocketIOProviderClient):
    def __init__(self, **options):
        super().__init__(**options, models=["gpt-4", "llama3.2:3b", "$(touch ./pwned)", "two words"])

    async def stream(self, prompt: str = ""):
        for word in prompt.split():
            yield {"token": word}

    async def chat(self, prompt: str, temperature: float = 0.5):
        return prompt
"""
FILES = {"speaker.py": SPEAKER}
PROVIDERS: dict[str, Any] = {
    "calculator": {"type": "tool", "class": "providers.calculator_provider.CalculatorProvider"},
    "echo": {"type": "tool", "class": "providers.echo_provider.EchoProvider"},
    "ollama": {"type": "llm", "class": "speaker.Speaker"},
    "worker": {"command": ["sh", "-c", "echo works; exec sleep 1000"], "instances": 2},
}


@contextmanager
def prepared(root: Path) -> Iterator[House]:
    with house(root, PROVIDERS, FILES) as h:
        for name in ("calculator", "echo", "ollama"):
            h.until(name, "RUNNING")
        yield h

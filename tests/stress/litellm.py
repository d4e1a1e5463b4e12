"""LiteLLM's proxy, which nobody here wrote: OpenAI's API and Anthropic's, with its own mock as the models.

It is installed by what the benchmarks have for it, in an environment of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.litellm import TOKEN, LiteLLM

ANSWER = "Hello from the mock"

CALLS = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]

MODELS: dict[str, dict[str, Any]] = {
    "mock": {"model": "openai/mock", "mock_response": ANSWER},
    "claude": {"model": "anthropic/claude-3-5-haiku-latest", "mock_response": ANSWER},
    "embed": {"model": "openai/text-embedding-3-small", "mock_response": [0.5, 0.25]},
    "asks": {"model": "openai/asks", "mock_response": "", "mock_tool_calls": CALLS},
    "busy": {"model": "openai/busy", "mock_response": "litellm.RateLimitError"},
    "long": {"model": "openai/long", "mock_response": "litellm.ContextWindowExceededError"},
    "broken": {"model": "openai/broken", "mock_response": "litellm.InternalServerError"},
}


RELAYED = {"relayed": "small", "endless": "slow"}
"""What it asks somebody else's API for, by the name that this one has for it."""


class Proxy(LiteLLM):
    """With the models above: each says the same, fails its own way, or is asked for somewhere else."""

    token = TOKEN

    def __init__(self, home: Path, upstream: str) -> None:
        super().__init__(home)
        self._relayed = {
            name: {"model": f"openai/{theirs}", "api_base": upstream} for name, theirs in RELAYED.items()
        }

    def configure(self, answer: str = ANSWER) -> None:
        models = [
            {"model_name": name, "litellm_params": {"api_key": "none", **params}}
            for name, params in (MODELS | self._relayed).items()
        ]
        document = {
            "model_list": models,
            "litellm_settings": {"num_retries": 0},
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
            "general_settings": {"master_key": TOKEN},
        }
        (self.home / "config.yaml").write_text(json.dumps(document))

    def kill(self) -> None:
        """As `kill -9` does; it may be started again at the same port."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def run(self) -> None:
        self.start()
        self.wait_until_ready()


@contextmanager
def litellm(home: Path, upstream: str = "http://127.0.0.1:9/v1") -> Iterator[Proxy]:
    """The proxy, when it answers; ended afterwards. The models it relays are at `upstream`."""
    Proxy.is_available()
    proxy = Proxy(home, upstream)
    proxy.configure()
    try:
        proxy.run()
        yield proxy
    finally:
        proxy.stop()

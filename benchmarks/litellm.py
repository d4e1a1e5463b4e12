"""LiteLLM's proxy, the gateway that people use today: one worker, no database, its own mock as the model."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.gleitzeit import free_port
from benchmarks.install import LITELLM, litellm_peer, printed, program
from benchmarks.server import Server

START = 60.0
TOKEN = "sk-benchmark"


class LiteLLM(Server):
    name = "LiteLLM"

    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @classmethod
    def is_available(cls) -> bool:
        litellm_peer()
        return True

    @classmethod
    def version(cls) -> str:
        ask = "from importlib.metadata import version; print(version('litellm'))"
        return f"LiteLLM {printed(LITELLM / 'bin' / 'python', '-c', ask)}"

    def configure(self, answer: str) -> None:
        """One model, `mock`, that always says the same."""
        model = {"model": "openai/mock", "api_key": "none", "mock_response": answer}
        document = {
            "model_list": [{"model_name": "mock", "litellm_params": model}],
            "general_settings": {"master_key": TOKEN},
        }
        (self.home / "config.yaml").write_text(json.dumps(document))

    def env(self) -> dict[str, str]:
        # it would else ask the network for prices as it starts, and log each request
        quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
        return super().env() | quiet

    def start_command(self) -> list[str]:
        where = ["--host", "127.0.0.1", "--port", str(self.port)]
        how = ["--config", "config.yaml", "--num_workers", "1", "--telemetry", "False"]
        return [str(program("litellm")), *how, *where]

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self.roots():
            try:
                with urlopen(f"{self.url}/health/liveliness", timeout=5):
                    return
            except (URLError, OSError):
                time.sleep(0.1)
        raise SystemExit(f"LiteLLM does not answer\n{self.said()}")

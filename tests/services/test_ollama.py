"""The server of the Ollama provider's tests, tried with Ollama's own client: so it answers as Ollama does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.ports import free_port

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build/services/bin/python"
SCRIPT = """
import json, sys, time
from ollama import Client, ResponseError
client = Client(host=sys.argv[1])
deadline = time.monotonic() + 20
while True:
    try:
        client.list()
        break
    except ConnectionError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.05)
hi = [{"role": "user", "content": "Hi"}]
try:
    client.show("other")
    missing = 0
except ResponseError as exc:
    missing = exc.status_code
print(json.dumps({
    "list": [one.model for one in client.list().models],
    "size": client.list().models[0].details.parameter_size,
    "ps": [one.size_vram for one in client.ps().models],
    "show": client.show("small").capabilities,
    "missing": missing,
    "generate": client.generate("small", "Hi").response,
    "chat": client.chat("small", hi).message.content,
    "streamed": "".join(part.response for part in client.generate("small", "Hi", stream=True)),
    "said": "".join(part.message.content for part in client.chat("small", hi, stream=True)),
    "embed": list(client.embed("small", "Hi").embeddings[0]),
    "pull": [part.status for part in client.pull("small", stream=True)],
}))
"""


@pytest.fixture
def url() -> Iterator[str]:
    port = free_port()
    argv = [sys.executable, "-m", "tests.providers.ollama_server", str(port)]
    with subprocess.Popen(argv, cwd=ROOT) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def test_ollamas_own_client_finds_all_that_it_asks_for(url: str) -> None:
    done = subprocess.run(
        [PYTHON, "-c", SCRIPT, url], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "list": ["small"],
        "size": "1B",
        "ps": [9],
        "show": ["completion"],
        "missing": 404,
        "generate": "Hi all",
        "chat": "Hi all",
        "streamed": "Hi all",
        "said": "Hi all",
        "embed": [0.5],
        "pull": ["pulling manifest", "pulling d", "success"],
    }

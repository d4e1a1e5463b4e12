"""Writes docs/monitor.svg: `gleitzeitctl monitor` as it is, of a real daemon whose providers are called.

Run it with `python -m tools.picture_monitor`; it takes half a minute. What it shows differs from run to run,
its size does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import MONOKAI

from gleitzeit_extensions.client import Client as Caller
from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import Complaint
from gleitzeitctl.monitor import model, pressing
from gleitzeitctl.monitor.model import State
from gleitzeitctl.monitor.view import drawn

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "monitor.svg"
WIDTH, HEIGHT = 110, 13
LOOKS = 24
UP_WITHIN = 30.0
WORK = '''
import asyncio, random
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Work(SocketIOProviderClient):
    """Takes a while, and sometimes fails."""

    def __init__(self, median: float = 0.1, fails: float = 0.0, **keywords):
        super().__init__(**keywords)
        self.median, self.fails = median, fails

    async def work(self):
        await asyncio.sleep(random.lognormvariate(0, 0.5) * self.median)
        if random.random() < self.fails:
            raise RuntimeError("the upstream answered 503")
        return sum(range(20_000))
'''
CLASS = "work.Work"
FAILS = "sleep 0.3; echo cannot open the archive >&2; exit 1"
PROVIDERS = {
    "assistant": {"class": CLASS, "type": "llm", "config": {"median": 0.9}, "routing": {"concurrency": 8}},
    "embeddings": {"class": CLASS, "type": "llm", "config": {"median": 0.02}, "instances": 2},
    "reranker": {"class": CLASS, "type": "tool", "config": {"median": 0.06, "fails": 0.04}},
    "search": {"class": CLASS, "type": "tool", "config": {"median": 0.15}, "instances": 2},
    "calculator": {"class": "providers.calculator_provider.CalculatorProvider", "type": "tool"},
    "vectors": {"command": ["sleep", "1000"], "type": "tool"},
    "importer": {
        "command": ["sh", "-c", "sleep 0.3; echo cannot open the archive >&2; exit 1"],
        "type": "tool",
    },
}
LOADS = (("assistant", 12), ("embeddings", 3), ("reranker", 4), ("search", 3))
"""Who is called, and by how many at once."""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gz-") as folder, running(Path(folder)) as client:
        state = watched(client, State(width=WIDTH, height=HEIGHT))
    picture = svg(state)
    PICTURE.write_text(picture)
    print(f"{PICTURE.name}: {len(picture)} bytes")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Client]:
    """A daemon whose providers are called; at the end nothing of it is left."""
    (folder / "work.py").write_text(WORK)
    document = {"global": {"default_server_url": "http://localhost:0"}, "providers": PROVIDERS}
    (folder / "providers.yaml").write_text(json.dumps(document))
    socket = str(folder / "gleitzeitd.sock")
    places = {f"{what}_DIRECTORY": str(folder / what.lower()) for what in ("STATE", "LOGS")}
    os.environ["GLEITZEIT_SOCKET"] = socket
    quiet = subprocess.DEVNULL
    command = [sys.executable, "-m", "gleitzeitd", "--config", str(folder / "providers.yaml")]
    with subprocess.Popen(command, env=os.environ | places, stdout=quiet, stderr=quiet) as daemon:
        client, is_over = Client(socket), threading.Event()
        callers = threading.Thread(target=lambda: asyncio.run(call_all(is_over)))
        try:
            wait_until_up(client)
            callers.start()
            yield client
        finally:
            is_over.set()
            daemon.terminate()
            if callers.is_alive():
                callers.join()


def wait_until_up(client: Client) -> None:
    deadline = time.monotonic() + UP_WITHIN
    while time.monotonic() < deadline:
        with contextlib.suppress(Complaint):
            found = client.get("/v1/status")["instances"]
            if all(one["ready"] for one in found if one["kind"] == "class"):
                return
        time.sleep(0.1)
    raise SystemExit("the providers of the picture are not ready")


async def call_all(is_over: threading.Event) -> None:
    async with Caller() as caller, asyncio.TaskGroup() as tasks:
        for name, number in LOADS:
            for _ in range(number):
                tasks.create_task(call(caller, name, is_over))


async def call(caller: Caller, name: str, is_over: threading.Event) -> None:
    while not is_over.is_set():
        with contextlib.suppress(CallError):
            await caller.invoke(name, "work")
        await asyncio.sleep(random.uniform(0, 0.05))


def watched(client: Client, state: State) -> State:
    for number, look in enumerate(client.follow("/v1/monitor", [("every", 1)]), start=1):
        state = model.told(state, look)
        if number == LOOKS:
            break
    # Somebody asks what is wrong with the one that is ill.
    for key in ["down"] * [one["name"] for one in model.rows(state)].index("importer"):
        state = pressing.pressed(state, key)
    return state


def svg(state: State) -> str:
    """The screen, with fonts that are there and none from anywhere else."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in drawn(state, has_blocks=True)[1]:
        console.print(Segments([*line, Segment.line()]), end="")
    form = re.sub(r"    @font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")
    return console.export_svg(
        title="gleitzeitctl monitor", theme=MONOKAI, code_format=form, unique_id="monitor"
    )


if __name__ == "__main__":
    main()

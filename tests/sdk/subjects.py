"""Providers and processes for the tests of the SDK."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import PATIENCE, FakeHub

ROOT = Path(__file__).resolve().parents[2]
HOST = [sys.executable, "-P", "-m", "gleitzeit_extensions.host"]


class Calculator(SocketIOProviderClient):
    """In the shape of the tutorial: a name of its own, and an `invoke` of its own."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            name="calculator",
            provider_type="tool",
            models=["basic-math"],
            capabilities=["arithmetic"],
            **kwargs,
        )

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        if method == "add":
            result = kwargs["a"] + kwargs["b"]
            return {"result": result, "expression": f"{kwargs['a']} + {kwargs['b']} = {result}"}
        if method == "divide" and kwargs["b"] == 0:
            raise ValueError("Division by zero is not allowed")
        raise ValueError(f"Unknown method: {method}")

    async def get_health_status(self) -> dict[str, Any]:
        return {"healthy": True, "available_methods": ["add", "divide"]}


@asynccontextmanager
async def serving(provider: SocketIOProviderClient, hub: FakeHub) -> AsyncIterator[None]:
    """The provider's `run()`, from its registration to its clean end."""
    connected = asyncio.Event()
    own_hook = provider.on_connected

    async def announce() -> None:
        connected.set()
        await own_hook()

    provider.on_connected = announce  # type: ignore[method-assign]
    running = asyncio.create_task(provider.run())
    try:
        await hub.seen("register")
        await asyncio.wait_for(connected.wait(), PATIENCE)
        yield
    finally:
        await provider.stop()
        await running


class Child:
    """A process whose lines are read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = asyncio.Event()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def read(self) -> None:
        assert self.process.stdout
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))
            self._news.set()

    async def says(self, words: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while words not in self.text:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as exc:
            raise AssertionError(f"it never said {words!r}, but {self.text}") from exc

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


def _as_from_a_terminal() -> None:
    """A shell starts what it puts in the background with Ctrl-C ignored, and so might these tests be."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def a_child(
    *argv: str, line: str | None = None, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """A process with both outputs in `lines`; `line` is all it finds on stdin. Killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=cwd,
        preexec_fn=_as_from_a_terminal,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(env or {})},
    )
    assert process.stdin
    if line is not None:
        process.stdin.write(line.encode() + b"\n")
    process.stdin.close()
    child = Child(process)
    reading = asyncio.create_task(child.read())
    try:
        yield child
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        async with asyncio.timeout(PATIENCE):
            await reading


def order(cls: str, directory: Path, hub: FakeHub | None = None, **fields: Any) -> str:
    """The line that the daemon writes to a host's stdin."""
    told = {
        "instance": "thing",
        "name": "thing",
        "type": "tool",
        "class": cls,
        "config": {},
        "description": "",
        "auto_discover_models": False,
        "python_path": [str(directory)],
        "hub_socket": None,
        "server_url": hub.url if hub else "http://127.0.0.1:1",
        "token": "secret",
    }
    return json.dumps(told | fields)


def write(directory: Path, **files: str) -> Path:
    """Python files of these names in `directory`, each with the import that every provider's file has."""
    for name, text in files.items():
        (directory / f"{name}.py").write_text(PREAMBLE + text)
    return directory


PREAMBLE = "from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient\n"

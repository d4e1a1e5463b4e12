"""The reference MCP servers from npm, and one of 2026 over HTTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.ports import free_port

HERE = Path(__file__).parent
NODE = str(Path(sys.prefix) / "bin" / "node")
SERVERS = HERE / "node_modules/@modelcontextprotocol"
EVERYTHING = str(SERVERS / "server-everything/dist/index.js")
FILESYSTEM = str(SERVERS / "server-filesystem/dist/index.js")

MODERN = """
import sys
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("modern")

@server.tool()
async def add(a: int, b: int) -> int:
    return a + b

@server.tool()
async def wait(ctx: Context) -> str:
    import asyncio
    await ctx.report_progress(1, 2, "half")
    await asyncio.sleep(1000)
    return "over"

@server.tool()
async def grow(ctx: Context) -> str:
    async def late() -> str:
        return "late"
    server.add_tool(late)
    await ctx.notify_tools_changed()
    return "grown"

server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
"""


class Site:
    """A server that is started by a command, and listens at a URL."""

    def __init__(self, command: list[str], port: int, **env: str) -> None:
        self.url = f"http://127.0.0.1:{port}/mcp"
        self._command, self._env = command, {**os.environ, **env}

    def start(self) -> None:
        """Whoever calls it tries until it listens."""
        self._server = subprocess.Popen(
            self._command,
            env=self._env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()


@contextmanager
def everything_at_a_url() -> Iterator[Site]:
    port = free_port()
    yield from _running(Site([NODE, EVERYTHING, "streamableHttp"], port, PORT=str(port)))


@contextmanager
def modern_at_a_url() -> Iterator[Site]:
    port = free_port()
    yield from _running(Site([sys.executable, "-c", MODERN, str(port)], port))


def _running(site: Site) -> Iterator[Site]:
    site.start()
    try:
        yield site
    finally:
        site.kill()

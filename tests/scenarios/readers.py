"""Callers that stop reading, and callers that are killed: what they cost, and whom."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio
import psutil

from tests.house import House, eventually, house
from tests.scenarios.common import all_are, becomes, views
from tests.scenarios.wires import Http

ENDLESS = """
import asyncio
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Endless(SocketIOProviderClient):
    made = ended = cancelled = 0

    async def stream(self, size):
        try:
            while True:
                self.made += 1
                yield "x" * size
        finally:
            self.ended += 1

    async def wait(self):
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled += 1

    async def state(self):
        return {"made": self.made, "ended": self.ended, "cancelled": self.cancelled}
"""
SIZE = 100_000
"""Characters of an item: a stream has made thousands of them before anybody could look."""
STOPS_OVER_HTTP = """
import json, os, signal, socket, sys
control, method, args = sys.argv[2:5]
line = socket.socket(socket.AF_UNIX)
line.connect(control)
body = json.dumps({"method": method, "args": json.loads(args)}).encode()
kind = "stream" if method == "stream" else "invoke"
head = f"POST /v1/providers/endless/{kind} HTTP/1.1\\r\\nHost: d\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
line.sendall(head.encode() + body)
line.recv(1)
os.kill(os.getpid(), signal.SIGSTOP)
line.recv(1)
"""
STOPS_OVER_SOCKET_IO = """
import asyncio, json, os, pathlib, signal, sys
import aiohttp, socketio

async def main(run, _, method, args):
    connector = aiohttp.UnixConnector(f"{run}/hub/hub.sock")
    async with aiohttp.ClientSession(connector=connector) as session:
        client = socketio.AsyncClient(http_session=session)

        @client.on("chunk", namespace="/clients")
        def chunk(data):
            os.kill(os.getpid(), signal.SIGSTOP)

        token = pathlib.Path(run, "token").read_text().strip()
        await client.connect("http://hub", auth={"proto": 1, "token": token}, namespaces=["/clients"],
                             transports=["websocket"])
        ask = {"id": "1", "provider": "endless", "method": method, "args": json.loads(args)}
        await client.emit("invoke", {**ask, "stream": method == "stream"}, namespace="/clients")
        await client.wait()

asyncio.run(main(*sys.argv[1:]))
"""
WAYS = {"http": STOPS_OVER_HTTP, "socket.io": STOPS_OVER_SOCKET_IO}
MIB = 1024 * 1024
COST = 4 * MIB
"""What one that has stopped may cost the hub, in bytes: a window of items, as they came and as they are to be
sent, and what its allocator makes of that."""


@contextmanager
def _caller(h: House, way: str, method: str, args: str) -> Iterator[psutil.Process]:
    with subprocess.Popen(
        [sys.executable, "-c", WAYS[way], str(h.root / "run"), str(h.socket), method, args],
        cwd=h.root,
        env=h.environment,
    ) as running:
        try:
            yield psutil.Process(running.pid)
        finally:
            running.kill()


def _state(h: House) -> dict[str, int]:
    return dict(h.invoke("endless", "state", {}))


def _stands_still(h: House) -> None:
    """Wait until no stream goes on: every buffer on the way is full."""
    made = [-1]

    def is_still() -> bool:
        made.append(_state(h)["made"])
        return made[-1] == made[-2]

    eventually(is_still, "the generators are held back")


@contextmanager
def _stopped(h: House, way: str, readers: int) -> Iterator[None]:
    """So many have begun to read, and then stopped. At the end they are killed."""
    with ExitStack() as callers:
        running = [
            callers.enter_context(_caller(h, way, "stream", f'{{"size": {SIZE}}}')) for _ in range(readers)
        ]
        eventually(lambda: all(one.status() == psutil.STATUS_STOPPED for one in running), "all have stopped")
        _stands_still(h)
        yield
    becomes(lambda: views(h)["endless"]["in_flight"], 0, "calls that are left")


def stopped_ones_cost_a_window(root: Path, way: str, *, readers: int) -> None:
    """However much there would be for them; and nobody else waits for them."""
    with house(root, {"endless": {"class": "endless.Endless"}}, {"endless.py": ENDLESS}) as h:
        all_are(h, "RUNNING")
        with _stopped(h, way, 1):
            pass  # What the first of all costs is more: there is much that is made only once.
        before = _rss(h)
        with _stopped(h, way, readers):
            cost = _rss(h) - before
            assert cost <= readers * COST, f"{cost / readers / MIB:.1f} MiB for each"
            anyio.run(_others_are_served, h)
        becomes(lambda: _state(h)["ended"], 1 + readers + 1, "generators that were closed")


async def _others_are_served(h: House) -> None:
    async with Http.to(h) as http:
        with anyio.fail_after(10):
            for _ in range(20):
                await http.invoke("endless", "state", {})
            async with http.stream("endless", {"size": 1000}) as lines:
                for _ in range(200):
                    assert len((await anext(lines))["item"]) == 1000


def _rss(h: House) -> int:
    return int(psutil.Process(h.daemon.pid).memory_info().rss)


def killed_ones_are_cancelled(root: Path, *, calls: int) -> None:
    """The coroutine that works for a caller ends with it, however it ends."""
    with house(root, {"endless": {"class": "endless.Endless"}}, {"endless.py": ENDLESS}) as h:
        all_are(h, "RUNNING")
        for way in WAYS:
            before = _state(h)["cancelled"]
            with ExitStack() as callers:
                for _ in range(calls):
                    callers.enter_context(_caller(h, way, "wait", "{}"))
                becomes(lambda: views(h)["endless"]["in_flight"], calls, "calls in flight")
            becomes(lambda: _state(h)["cancelled"], before + calls, f"cancelled over {way}")
        becomes(lambda: views(h)["endless"]["in_flight"], 0, "calls that are left")

"""A provider that nobody supervises: it connects by itself, and comes back by itself."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.house import House, eventually, house

GREETER = """
import asyncio, sys
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Greeter(SocketIOProviderClient):
    async def greet(self, whom: str) -> str:
        return f"hello {whom}"

async def main():
    greeter = Greeter(name="greeter", server_url=sys.argv[1])
    try:
        await greeter.run()
    except KeyboardInterrupt:
        await greeter.stop()
        print("goodbye", flush=True)

asyncio.run(main())
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def greeter(h: House, port: int) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "greeter.py", f"http://localhost:{port}"],
        cwd=h.root,
        env=h.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def is_connected(h: House) -> bool:
    return any(view["name"] == "greeter" for view in h.client.get("/v1/status")["instances"])


def test_a_provider_started_by_hand_is_called_like_any_other(tmp_path: Path) -> None:
    port = free_port()
    settings = {"default_server_url": f"http://localhost:{port}"}
    with house(tmp_path, {}, {"greeter.py": GREETER}, settings=settings) as h, greeter(h, port) as running:
        eventually(lambda: is_connected(h))
        assert h.view("greeter")["kind"] == "external"
        assert h.invoke("greeter", "greet", {"whom": "world"}) == "hello world"
        why = h.ctl("why", "greeter")
        assert "greeter is RUNNING (for " in why.stdout, why.stderr
        assert re.search(r"registered from \S+:\d+, with this machine's token", why.stdout)
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=20)[0] == "goodbye\n"
        eventually(lambda: not is_connected(h))


def test_it_comes_back_by_itself_when_the_daemon_does(tmp_path: Path) -> None:
    port = free_port()
    settings = {"default_server_url": f"http://localhost:{port}"}
    with (
        house(tmp_path, {}, {"greeter.py": GREETER}, settings=settings, started=False) as h,
        greeter(h, port),
    ):
        for end in (signal.SIGTERM, signal.SIGKILL):
            # Started before the daemon, and after it ended either way.
            h.start()
            eventually(lambda: is_connected(h))
            assert h.invoke("greeter", "greet", {"whom": "again"}) == "hello again"
            h.daemon.send_signal(end)
            h.daemon.wait(20)
        h.start()
        eventually(lambda: is_connected(h))

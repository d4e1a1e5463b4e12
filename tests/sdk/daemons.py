"""What the client's tests talk to: a real daemon, a scripted one, and one over TCP and TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gleitzeit_extensions.client import Client, Stream, SyncClient, SyncStream

PROBE = '''
import asyncio, os, sys
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Probe(SocketIOProviderClient):
    """Whatever a caller may meet."""

    def __init__(self, **given):
        super().__init__(provider_type="tool", models=["probe-1"], capabilities=["probing"], **given)
        self.made = self.calls = 0

    async def add(self, a: int, b: int):
        """The sum."""
        return a + b

    async def count(self, items: int = 1_000_000_000, size: int = 1):
        """Numbers, or texts of a size, without a pause."""
        self.made = 0
        for number in range(items):
            self.made += 1
            yield number if size == 1 else "x" * size
            await asyncio.sleep(0)

    async def made_so_far(self):
        """Items of the last count."""
        return self.made

    async def once(self):
        """How often it was called."""
        self.calls += 1
        return self.calls

    async def wait(self):
        """For ever."""
        await asyncio.sleep(1000)

    async def wait_first(self):
        """For ever, before the first item."""
        await asyncio.sleep(1000)
        yield

    async def fail(self):
        """Never well."""
        raise ValueError("out of order")

    async def fail_at_once(self):
        """Not one item."""
        raise ValueError("out of order")
        yield

    async def fail_later(self):
        """Two items, and an error."""
        yield 1
        yield 2
        raise ValueError("out of numbers")

    async def die(self):
        """Leave everybody waiting."""
        print("these are my last words", file=sys.stderr, flush=True)
        os._exit(7)
'''
PROVIDERS = {
    "probe": {"class": "probe.Probe", "restart": {"initial": 0.05}},
    "frail": {"class": "probe.Probe", "restart": {"initial": 0.05}},
}
Act = Callable[[Any], Any]


def synchronously(act: Act, *where: Any, **how: Any) -> Any:
    """What the calls of `act` come to, made by a SyncClient; of a stream, its items."""
    with SyncClient(*where, **how) as client:
        result = act(client)
        return list(result) if isinstance(result, SyncStream) else result


def asynchronously(act: Act, *where: Any, **how: Any) -> Any:
    """The same by a Client."""

    async def run() -> Any:
        async with Client(*where, **how) as client:
            result = act(client)
            if isinstance(result, Stream):
                return [item async for item in result]
            return await result

    return asyncio.run(run())


@dataclass
class Server:
    """A daemon of one answer, over TCP, that keeps its connections."""

    url: str
    connections: int = 0
    hangs_up: bool = False
    """After each answer, without a word."""
    has_hung_up: threading.Event = field(default_factory=threading.Event)
    tokens: list[str | None] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *given: Any) -> None:
        self.told = server
        super().__init__(*given)

    def setup(self) -> None:
        self.told.connections += 1
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.connection.close()
        self.told.has_hung_up.set()

    def do_POST(self) -> None:
        self.told.tokens.append(self.headers["Authorization"])
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({"result": asked["args"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.told.hangs_up

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def tcp_server(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    told = Server("")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, told)) as server:
        server.daemon_threads = True
        # Who closes it must not wait for who keeps a connection.
        server.block_on_close = False
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        told.url = f"http{'s' if context else ''}://localhost:{server.server_port}"
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


def certificate(directory: Path) -> tuple[Path, Path]:
    """A key, and a certificate for localhost that nobody has vouched for."""
    key, path = directory / "key.pem", directory / "localhost.pem"
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    name = ("-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(key), "-out", str(path))
    subprocess.run(["openssl", *words.split(), *name, *files], check=True, capture_output=True)
    return key, path

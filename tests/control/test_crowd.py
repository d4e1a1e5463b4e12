"""Ten thousand connections at a door of a daemon that has descriptors for a few: everybody else is served."""

from __future__ import annotations

import re
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from subprocess import DEVNULL, Popen
from urllib.parse import urlsplit

import pytest

from tests.control.asking import ask, connected
from tests.control.test_hostile import resident
from tests.house import PATIENCE, House, eventually, house

MANY = 10_000
DESCRIPTORS = 1024
"""Of the daemon: what a shell gives to whoever asks for no more."""
ECHO = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Echo(SocketIOProviderClient):
    async def say(self, word):
        return word
"""


class Narrow(House):
    def _started(self, printed: int) -> Popen[bytes]:
        words = [f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", sys.executable, "-m", "gleitzeitd"]
        return Popen(
            ["prlimit", *words, "--config", str(self.config)],
            env=self.environment,
            cwd=self.root,
            stdin=DEVNULL,
            stdout=printed,
            stderr=printed,
        )


@pytest.fixture(scope="module")
def h(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    providers = {"echo": {"class": "echo.Echo"}}
    with house(tmp_path_factory.mktemp("crowd"), providers, {"echo.py": ECHO}, started=False) as built:
        built.__class__ = Narrow
        built.start()
        built.until("echo", "RUNNING")
        yield built


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """Of this process, which holds the other ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY + 500:
        pytest.skip(f"{MANY} connections take more descriptors than the {hard} that may be had here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, MANY + 500), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connecting(h: House, door: str) -> Callable[[], socket.socket]:
    if door == "control socket":
        return lambda: connected(str(h.socket))
    (address, *_) = h.client.get("/v1/status", [])["daemon"]["hub"]
    port = urlsplit(address).port
    return lambda: socket.create_connection(("127.0.0.1", port), PATIENCE)


@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize("door", ["control socket", "hub"])
def test_ten_thousand_connections_keep_nobody_out(h: House, door: str) -> None:
    connect = connecting(h, door)
    pid, lives = h.daemon.pid, h.view("echo")["pid"]
    before, held, said = descriptors(h), resident(pid), len(h.said())
    with ExitStack() as crowd:
        for number in range(MANY):
            one = crowd.enter_context(connect())
            with suppress(BrokenPipeError, ConnectionResetError):
                one.send(b"GET /v1/st")
            if number % 1000 == 999:
                eventually(lambda: is_served(h), "who comes is served, at the second try if not at the first")
        assert descriptors(h) < DESCRIPTORS
        assert resident(pid) < held + 40_000, "KiB"

    eventually(lambda: descriptors(h) <= before + 20, "all of them are closed")
    assert h.view("echo")["pid"] == lives
    assert len(h.said()) < said + 2000, "it is told once"
    assert "Traceback" not in h.said()


def is_served(h: House) -> bool:
    """Whether a call is answered: who comes as the last descriptors are taken may have to come again."""
    called = {"method": "say", "args": {"word": "hello"}}
    with suppress(ConnectionError):
        return b'"hello"' in ask(str(h.socket), "POST", "/v1/providers/echo/invoke", called).body
    return False


def descriptors(h: House) -> int:
    """How many the daemon says that it has open: nobody but root may count them."""

    def told() -> bytes:
        with suppress(ConnectionError):  # as above
            return ask(str(h.socket), "GET", "/metrics").body
        return b""

    found = re.search(rb"^process_open_fds (\S+)", eventually(told, "the metrics are told"), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.control.asking import Answer, ask
from tests.house import House, house

PROBE = '''
import asyncio
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Probe(SocketIOProviderClient):
    """Whatever a caller may meet."""

    async def say(self, word: str = "hello"):
        """The word."""
        print(word, flush=True)
        return {"said": word}

    async def wait(self):
        """For ever."""
        await asyncio.sleep(1000)

    async def fail(self):
        """Never well."""
        raise ValueError("out of order")

    async def stream(self, items: int = 3, fail: bool = False):
        """Numbers."""
        for item in range(items):
            yield item
        if fail:
            raise ValueError("out of numbers")

    async def get_health_status(self):
        return {"healthy": True, "status": "degraded", "mood": "good"}
'''

SLEEPER = {"command": ["sh", "-c", "echo out; echo err >&2; exec sleep 1000"], "start_seconds": 0}

PROVIDERS = {
    "probe": {"class": "probe.Probe", "type": "llm", "description": "A probe"},
    "sleeper": SLEEPER,
    "steered": SLEEPER,
    "stubborn": {
        "command": ["sh", "-c", 'trap "" TERM; echo up; while :; do sleep 1000; done'],
        "start_seconds": 0,
        "stop": {"timeout": "1h"},
    },
    "fatal": {"command": ["sh", "-c", "exit 78"]},
    "waiting": {"command": ["false"], "restart": {"initial": "1h", "max_delay": "1h"}},
    "off": {"class": "probe.Probe", "enabled": False},
}

Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One daemon for all tests of a module: none of them may harm it, or what it runs."""
    with house(tmp_path_factory.mktemp("control"), PROVIDERS, {"probe.py": PROBE}) as h:
        h.until("probe", "RUNNING")
        h.until("fatal", "FATAL")
        h.until("waiting", "BACKOFF")
        try:
            yield h
        finally:
            # Its end would else wait for an hour: a second stop hurries.
            for wait in (False, True):
                h.client.post("/v1/stop", {"names": ["stubborn"], "wait": wait})


@pytest.fixture
def request_(daemon: House) -> Iterator[Ask]:
    """Asks the daemon. Whatever it is asked, it has not failed afterwards."""
    before = len(daemon.said())
    yield partial(ask, str(daemon.socket))
    assert "Traceback" not in daemon.said()[before:]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"

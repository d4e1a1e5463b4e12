"""What a config file is edited about: small providers, and the calls that go on meanwhile."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.house import House, eventually

SUBJECT = """
import asyncio, os, pathlib, sys, time
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

HERE = pathlib.Path(__file__).parent

async def there(name):
    while not (HERE / name).exists():
        await asyncio.sleep(0.01)

class Subject(SocketIOProviderClient):
    def __init__(self, value=0, fault="", waits_for="", **more):
        super().__init__(**more)
        self.value = value
        if fault == "raises":
            raise ValueError("there is no such model")
        if fault == "exits":
            print("the licence has run out", file=sys.stderr, flush=True)
            os._exit(3)
        if fault == "hangs":
            (HERE / "hangs").touch()
            time.sleep(1000)
        while waits_for and not (HERE / waits_for).exists():
            time.sleep(0.01)

    async def get(self):
        return self.value

    async def count(self, call):
        with (HERE / "calls").open("a") as calls:
            print(call, file=calls)
        return self.value

    async def hold(self, until):
        await there(until)
        return self.value

    async def say(self, size):
        print("x" * size, flush=True)

    async def stream(self, until):
        yield self.value
        await there(until)
        yield self.value

    async def get_health_status(self):
        with (HERE / "asked").open("a") as asked:
            asked.write(".")
        return {"healthy": True}
"""
FILES = {"subject.py": SUBJECT}


def subject(value: int = 0, /, **block: Any) -> dict[str, Any]:
    """A block of the class above; what is no key of a block is config of the class."""
    config = {key: block.pop(key) for key in ("fault", "waits_for") if key in block}
    return {"class": "subject.Subject", "config": {"value": value, **config}, **block}


def sleeper(seconds: int = 1000, /, **block: Any) -> dict[str, Any]:
    return {"command": ["sleep", str(seconds)], "start_seconds": 0, **block}


def text(blocks: Mapping[str, Any], **settings: Any) -> str:
    """The file; JSON is YAML."""
    common = {"default_server_url": "http://localhost:0", **settings}
    return json.dumps({"global": common, "providers": blocks}, indent=1)


def argv(pid: int | None) -> list[str]:
    """What the process was executed with; nothing when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    return []


class Steady(threading.Thread):
    """Calls a provider, one call after the other, as long as its `with` lasts; then none may have failed."""

    def __init__(self, h: House, provider: str, pause: float = 0.01) -> None:
        super().__init__(daemon=True)
        self._house, self._provider, self._pause = h, provider, pause
        self._enough = threading.Event()
        self.answers: list[Any] = []
        self.failed: list[Exception] = []

    def run(self) -> None:
        while not self._enough.wait(self._pause):
            try:
                self.answers.append(self._house.invoke(self._provider, "count", {"call": len(self.answers)}))
            except Exception as exc:  # whatever it is, the test shows it
                self.failed.append(exc)
                return

    def __enter__(self) -> Self:
        self.start()
        eventually(lambda: self.answers or self.failed)
        return self

    def until(self, answer: Any) -> None:
        """Wait until a call is answered so."""
        eventually(lambda: answer in self.answers[-1:] or self.failed, f"an answer is {answer}")

    def goes_on(self) -> None:
        """Wait until a call that began after now is answered."""
        before = len(self.answers)
        eventually(lambda: len(self.answers) > before + 1 or self.failed, "calls go on")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._enough.set()
        self.join(20)
        assert not self.is_alive()
        assert self.failed == []


def made(h: House) -> list[int]:
    """The calls that reached a provider, as often as they did."""
    return [int(line) for line in (h.root / "calls").read_text().split()]

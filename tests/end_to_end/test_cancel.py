"""A caller who leaves ends the work at the provider; who does not end it is replaced, and `why` tells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import House, eventually, house

WORKERS = """
import asyncio, pathlib
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
class Worker(SocketIOProviderClient):
    async def work(self, log):
        with open(log, "a") as file:
            print("began", file=file, flush=True)
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                print("cancelled", file=file, flush=True)
                raise
    async def stream(self, log):
        yield "first"
        yield await self.work(log)
class Stubborn(SocketIOProviderClient):
    async def work(self, log):
        with open(log, "a") as file:
            print("began", file=file, flush=True)
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass
"""


def words(log: Path) -> list[str]:
    return log.read_text().split() if log.exists() else []


def left_alone(h: House, how: str, provider: str, method: str, log: Path) -> None:
    """Have a command call, and kill it when the call has begun."""
    before = len(words(log))
    command = [sys.executable, "-m", "gleitzeitctl", "providers", how, provider, method]
    with subprocess.Popen(
        [*command, "--args", f'{{"log": "{log}"}}'], env=h.environment, stdout=subprocess.DEVNULL
    ) as caller:
        eventually(lambda: len(words(log)) > before, "the call has begun")
        caller.kill()


@pytest.mark.parametrize(("how", "method"), [("invoke", "work"), ("stream", "stream")])
def test_a_caller_that_is_killed_ends_the_coroutine(tmp_path: Path, how: str, method: str) -> None:
    log = tmp_path / "log"
    with house(tmp_path, {"worker": {"class": "workers.Worker"}}, {"workers.py": WORKERS}) as h:
        h.until("worker", "RUNNING")
        left_alone(h, how, "worker", method, log)
        eventually(lambda: words(log) == ["began", "cancelled"], "the coroutine was cancelled")


def test_an_instance_that_goes_on_with_cancelled_calls_is_replaced_and_why_says_so(tmp_path: Path) -> None:
    """Seen to fail with a hub that tells nobody."""
    log = tmp_path / "log"
    block = {"class": "workers.Stubborn", "stop": {"timeout": 1, "drain_timeout": 0}}
    with house(tmp_path, {"stubborn": block}, {"workers.py": WORKERS}) as h:
        first = h.until("stubborn", "RUNNING")["pid"]
        for _ in range(3):
            left_alone(h, "invoke", "stubborn", "work", log)
        eventually(lambda: h.view("stubborn")["pid"] not in (first, None), "it is replaced")
        story = h.ctl("why", "stubborn").stdout
        assert "3 calls went on for more than 2 s after they were cancelled" in story

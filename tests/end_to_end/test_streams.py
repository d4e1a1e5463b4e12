"""Streams from a provider's generator to the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.house import eventually, house

COUNTER = """
import asyncio, pathlib
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Counter(SocketIOProviderClient):
    async def stream(self, count: int, stop_at: int = -1, **_):
        try:
            for number in range(count):
                if number == stop_at:
                    raise RuntimeError("no more numbers")
                yield {"number": number}
        finally:
            pathlib.Path(__file__).with_name("closed").touch()

    async def forever(self):
        try:
            await asyncio.Event().wait()
        finally:
            pathlib.Path(__file__).with_name("cancelled").touch()
"""
PROVIDERS = {"counter": {"class": "counter.Counter"}}
FILES = {"counter.py": COUNTER}


def test_more_items_than_a_window_arrive_in_order(tmp_path: Path) -> None:
    with house(tmp_path, PROVIDERS, FILES) as h:
        answer = h.ctl("--json", "providers", "stream", "counter", "stream", "--args", '{"count": 1000}')
        assert answer.returncode == 0, answer.stderr
        items = [json.loads(line) for line in answer.stdout.splitlines()]
        assert [item["item"]["number"] for item in items if "item" in item] == list(range(1000))


def test_an_error_in_the_middle_follows_what_came_before_it(tmp_path: Path) -> None:
    with house(tmp_path, PROVIDERS, FILES) as h:
        args = '{"count": 9, "stop_at": 3}'
        answer = h.ctl("providers", "stream", "counter", "stream", "--args", args)
        assert answer.returncode == 6
        assert len(answer.stdout.splitlines()) == 3
        assert "no more numbers" in answer.stderr


def test_ctrl_c_reaches_the_provider_s_generator_and_its_coroutine(tmp_path: Path) -> None:
    with house(tmp_path, PROVIDERS, FILES) as h:
        h.until("counter", "RUNNING")
        for words, trace in (
            (["stream", "counter", "stream", "--args", '{"count": 1000000000}'], "closed"),
            (["invoke", "counter", "forever"], "cancelled"),
        ):
            with subprocess.Popen(
                [sys.executable, "-m", "gleitzeitctl", "providers", *words],
                env=h.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as command:
                eventually(lambda: h.view("counter")["in_flight"] == 1)
                command.send_signal(signal.SIGINT)
                command.communicate(timeout=20)
                assert command.returncode == 130
            eventually((tmp_path / trace).exists)
            eventually(lambda: h.view("counter")["in_flight"] == 0)


def test_a_reader_that_stops_reading_holds_the_generator_back(tmp_path: Path) -> None:
    endless = """
import pathlib
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
class Endless(SocketIOProviderClient):
    made = 0
    async def stream(self, **_):
        while True:
            self.made += 1
            yield "x" * 100_000
    async def count(self):
        return self.made
"""
    with house(tmp_path, {"endless": {"class": "endless.Endless"}}, {"endless.py": endless}) as h:
        h.until("endless", "RUNNING")
        with subprocess.Popen(
            [sys.executable, "-m", "gleitzeitctl", "providers", "stream", "endless", "stream"],
            env=h.environment,
            stdout=subprocess.PIPE,
        ) as command:
            assert command.stdout is not None
            os.read(command.stdout.fileno(), 1)
            counts = [0]

            def stands_still() -> bool:
                counts.append(h.invoke("endless", "count", {}))
                return counts[-1] == counts[-2]

            # It goes on until every buffer on the way is full, and then no further.
            eventually(stands_still)
            assert counts[-1] < 1000
            command.kill()

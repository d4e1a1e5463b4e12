"""What a caller learns when its provider dies at work, and what becomes of those who wait behind it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import eventually, house
from tests.scenarios.common import all_are, views

MORTAL = """
import asyncio, os, pathlib, sys
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

HERE = pathlib.Path(__file__).parent

class Mortal(SocketIOProviderClient):
    async def die(self):
        while not (HERE / "die").exists():
            await asyncio.sleep(0.01)
        print("the disk with the weights is gone", file=sys.stderr, flush=True)
        os._exit(7)

    async def hold(self):
        while not (HERE / "release").exists():
            await asyncio.sleep(0.01)

    async def who(self):
        return os.getpid()
"""
BLOCK = {
    "class": "mortal.Mortal",
    "instances": 2,
    "routing": {"concurrency": 1},
    "restart": {"initial": 0, "intensity": 0},
}


def test_a_lost_call_says_how_and_at_once_and_those_behind_it_go_on(tmp_path: Path) -> None:
    with (
        house(tmp_path, {"mortal": BLOCK}, {"mortal.py": MORTAL}) as h,
        ThreadPoolExecutor() as callers,
        ExitStack() as finally_,
    ):
        # Whatever fails, nobody is to wait for ever.
        finally_.callback((tmp_path / "release").touch)
        finally_.callback((tmp_path / "die").touch)
        all_are(h, "RUNNING")
        holder = views(h)["mortal#2"]["pid"]
        dying = callers.submit(h.invoke, "mortal%231", "die", {})
        held = callers.submit(h.invoke, "mortal%232", "hold", {})
        eventually(lambda: [view["in_flight"] for view in views(h).values()] == [1, 1])
        queued = [callers.submit(h.invoke, "mortal", "who", {}) for _ in range(3)]

        (tmp_path / "die").touch()
        began = time.monotonic()
        with pytest.raises(CallError) as failure:
            dying.result(20)
        took = time.monotonic() - began
        answers = {one.result(20) for one in queued}

        assert failure.value.code == "instance_lost"
        assert failure.value.detail["exit_status"] == 7
        assert failure.value.detail["stderr"][-1:] == ["the disk with the weights is gone"]
        assert took < 1
        # The other one was busy all the time: they were answered by the life that followed.
        assert not held.done()
        assert answers == {views(h)["mortal#1"]["pid"]}
        assert holder not in answers
        (tmp_path / "release").touch()
        held.result(20)

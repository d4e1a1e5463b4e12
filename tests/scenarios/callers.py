"""Providers are killed at random under callers: nobody hangs, and what may be repeated never fails."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gleitzeit_extensions.protocol import CallError
from tests.house import House, eventually, house

ADDER = """
import asyncio
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Adder(SocketIOProviderClient):
    async def add(self, a, b):
        await asyncio.sleep(0.05)
        return a + b
"""
CALLERS = 8
NAMES = ("one", "two", "three")
BLOCK = {
    "class": "adder.Adder",
    "restart": {"initial": 0, "intensity": 0},
}


class Caller(threading.Thread):
    """Adds numbers until told to stop, and keeps what went otherwise than it may."""

    def __init__(self, h: House, seed: int, *, idempotent: bool) -> None:
        super().__init__(daemon=True)
        self._house = h
        self._random = random.Random(seed)
        self._idempotent = idempotent
        self.enough = threading.Event()
        self.results: Counter[str] = Counter()
        self.lost: list[float] = []
        self.wrong: list[Any] = []

    def run(self) -> None:
        while not self.enough.is_set():
            a, b = self._random.randrange(1000), self._random.randrange(1000)
            began = time.monotonic()
            name = self._random.choice(NAMES)
            try:
                answer = self._house.invoke(name, "add", {"a": a, "b": b}, idempotent=self._idempotent)
            except CallError as exc:
                if exc.code == "instance_lost" and not self._idempotent:
                    self.lost.append(time.monotonic() - began)
                else:
                    self.wrong.append((exc.code, exc.message, time.monotonic() - began))
            except Exception as exc:  # whatever else it is, the test shows it
                self.wrong.append(exc)
            else:
                self.results[name] += 1
                if answer != a + b:
                    self.wrong.append(answer)


def are_answered(root: Path, *, kills: int) -> None:
    """Callers get results whatever is killed; only calls that may not be repeated fail, and at once."""
    chance = random.Random(7)
    with house(root, dict.fromkeys(NAMES, BLOCK), {"adder.py": ADDER}) as h:
        for name in NAMES:
            h.until(name, "RUNNING")
        callers = [Caller(h, seed, idempotent=seed < CALLERS) for seed in range(2 * CALLERS)]
        for caller in callers:
            caller.start()
        for _ in range(kills):
            _kill(h, h.until(chance.choice(NAMES), "RUNNING"), callers)
        for caller in callers:
            caller.enough.set()
        for caller in callers:
            caller.join(10)
            assert not caller.is_alive()
        assert [wrong for caller in callers for wrong in caller.wrong] == []
        assert sum(h.view(name)["restarts"] for name in NAMES) == kills


def _answered(callers: list[Caller], name: str) -> int:
    return sum(caller.results[name] for caller in callers)


def _kill(h: House, victim: Mapping[str, Any], callers: list[Caller]) -> None:
    """Kill it, and wait until its successor has answered all that may have been with it.

    A call is made three times at most: kills that follow faster than answers would end it as they should.
    """
    name = victim["name"]
    os.kill(victim["pid"], signal.SIGKILL)
    eventually(lambda: h.view(name)["pid"] != victim["pid"])
    before = _answered(callers, name)
    eventually(lambda: _answered(callers, name) > before + len(callers))

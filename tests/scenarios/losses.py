"""Instances are killed and frozen, and the config file is edited, under many calls a second."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from gleitzeit_extensions.protocol import CallError
from tests.house import House, house
from tests.scenarios.common import all_are, views
from tests.scenarios.saves import failures, problems
from tests.scenarios.subjects import text
from tests.scenarios.wires import Http

WORKER = """
import asyncio
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Worker(SocketIOProviderClient):
    async def work(self, number, seconds):
        await asyncio.sleep(seconds)
        return number
"""
INSTANCES = 3
DEADLINE = 30.0
"""Seconds that each call is given."""
GRACE = 5.0
"""Seconds by which the answer to a call may be later than its deadline, on a slow machine."""


@dataclass(frozen=True)
class Weather:
    """What happens for so many `seconds`: times in seconds, paces in calls a second."""

    seconds: float
    pace: float
    """Of calls that may be made again."""
    pace_of_others: float
    kill_every: float
    freeze_every: float
    edit_every: float


class Calls:
    """What became of each call."""

    def __init__(self, http: Http, *, idempotent: bool) -> None:
        self._http = http
        self._idempotent = idempotent
        self._chance = random.Random(5)
        self.made = 0
        self.ends: Counter[str] = Counter()
        """"ok", "hung", or the code of an error."""
        self.examples: dict[str, str] = {}

    async def at(self, pace: float, until: float, tasks: TaskGroup) -> None:
        """So many a second, however long each takes."""
        due = time.monotonic()
        while due < until:
            await asyncio.sleep(due - time.monotonic())
            tasks.start_soon(self._call, self.made)
            self.made += 1
            due += 1 / pace

    async def _call(self, number: int) -> None:
        args = {"number": number, "seconds": self._chance.random() * 0.02}
        more = {"idempotent": self._idempotent, "timeout": DEADLINE}
        try:
            with anyio.fail_after(DEADLINE + GRACE):
                answer = await self._http.invoke("worker", "work", args, **more)
            end = "ok" if answer == number else f"answered {answer} instead of {number}"
        except TimeoutError:
            end = "hung"
        except CallError as exc:
            end = exc.code
            self.examples.setdefault(end, exc.message)
        self.ends[end] += 1


def file(edition: int = 0) -> str:
    """The config after so many edits: one that restarts, one that updates in place, one that says nothing."""
    block = {
        "class": "worker.Worker",
        "config": {"edition": edition // 3},
        "description": f"edition {(edition + 1) // 3}",
        "instances": INSTANCES,
        "restart": {"initial": 0, "intensity": 0},
    }
    return f"# edition {(edition + 2) // 3}\n" + text({"worker": block})


def calls_survive(root: Path, weather: Weather) -> None:
    """What may be repeated never fails; whatever else is asked has a result or a typed error in its time."""
    with house(root, file(), {"worker.py": WORKER}) as h:
        all_are(h, "RUNNING")
        again, once = anyio.run(_under, h, weather)
        assert again.ends == {"ok": again.made}, again.examples
        assert set(once.ends) <= {"ok", "instance_lost"}, (once.ends, once.examples)
        assert once.ends.total() == once.made
        all_are(h, "RUNNING")
        assert (problems(h), failures(h)) == ([], {})


async def _under(h: House, weather: Weather) -> tuple[Calls, Calls]:
    chance = random.Random(3)
    until = time.monotonic() + weather.seconds
    editions = iter(range(1, 1_000_000))

    async def strike(number: signal.Signals) -> None:
        told = await asyncio.to_thread(views, h)
        if pids := [view["pid"] for view in told.values() if view["state"] == "RUNNING"]:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(pids), number)

    async def edit() -> None:
        h.config.write_text(file(next(editions)))

    async with Http.to(h) as http, anyio.create_task_group() as tasks:
        again, once = Calls(http, idempotent=True), Calls(http, idempotent=False)
        tasks.start_soon(again.at, weather.pace, until, tasks)
        tasks.start_soon(once.at, weather.pace_of_others, until, tasks)
        tasks.start_soon(_every, weather.kill_every, until, lambda: strike(signal.SIGKILL))
        tasks.start_soon(_every, weather.freeze_every, until, lambda: strike(signal.SIGSTOP))
        tasks.start_soon(_every, weather.edit_every, until, edit)
    return again, once


async def _every(seconds: float, until: float, act: Callable[[], Awaitable[None]]) -> None:
    while time.monotonic() + seconds < until:
        # The pace of the weather is what is asked for: there is no fact to wait for.
        await asyncio.sleep(seconds)
        await act()

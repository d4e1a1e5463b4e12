"""Many external providers lose their daemon at the same moment, and all come back to the next one."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import anyio

from tests.end_to_end.test_external import free_port
from tests.house import House, eventually, house
from tests.scenarios.common import becomes, views
from tests.scenarios.wires import Http

EXTERNALS = """
import asyncio, sys, time
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class External(SocketIOProviderClient):
    async def on_connected(self):
        print(self.name, time.monotonic(), flush=True)

    async def say(self):
        return self.name

async def main(url, names):
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(External(name=name, server_url=url).run())

asyncio.run(main(sys.argv[1], sys.argv[2:]))
"""
STEP = 0.1
"""Seconds in which their arrivals are counted together."""


def _arrivals(printed: list[Path]) -> dict[str, list[float]]:
    """When each was registered, every time."""
    told: dict[str, list[float]] = {}
    for path in printed:
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                name, moment = line.split()
                told.setdefault(name, []).append(float(moment))
    return told


def all_come_back(root: Path, *, providers: int, processes: int, rounds: int) -> None:
    """After each kill of the daemon all are registered with the next one, and came a few at a time."""
    names = [f"external{number}" for number in range(providers)]
    url = f"http://localhost:{free_port()}"
    settings = {"default_server_url": url}
    with (
        # A daemon that is back at once meets them all at their first attempt.
        house(root, {}, {"externals.py": EXTERNALS}, settings=settings, foreground=True) as h,
        ExitStack() as helpers,
    ):
        printed = [root / f"printed{number}" for number in range(processes)]
        for number, path in enumerate(printed):
            helpers.enter_context(_externals(h, url, names[number::processes], path))
        for number in range(1, rounds + 2):
            eventually(
                lambda: all(len(_arrivals(printed).get(name, ())) >= number for name in names),  # noqa: B023
                "all are registered",
            )
            becomes(lambda: set(views(h)), set(names), "who is there")
            assert anyio.run(_answers, h, names) == names
            if number > 1:
                last = [moments[-1] for moments in _arrivals(printed).values()]
                assert max(_crowds(last)) <= 0.6 * providers, _crowds(last)
            if number <= rounds:
                h.daemon.kill()
                h.daemon.wait()
                h.start()


def _crowds(moments: list[float]) -> list[int]:
    """How many came together in each step, the first of all at its begin."""
    counted = Counter(int((moment - min(moments)) / STEP) for moment in moments)
    return [counted[step] for step in range(max(counted) + 1)]


async def _answers(h: House, names: list[str]) -> list[str]:
    async with Http.to(h) as http:
        return [await http.invoke(name, "say", {}, timeout=20) for name in names]


@contextmanager
def _externals(h: House, url: str, names: list[str], printed: Path) -> Iterator[None]:
    with (
        printed.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "externals.py", url, *names], cwd=h.root, env=h.environment, stdout=out
        ) as running,
    ):
        try:
            yield
        finally:
            running.kill()

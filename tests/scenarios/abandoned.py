"""Streams that are begun and let go of: nothing of them stays, neither in the hub nor in the provider."""

from __future__ import annotations

import asyncio
import http.client
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from gleitzeit_extensions.protocol import CLIENTS
from tests.house import PATIENCE, House, house
from tests.scenarios.common import all_are, becomes
from tests.scenarios.wires import Http, caller

FOUNTAIN = """
import asyncio
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class Fountain(SocketIOProviderClient):
    open = 0

    async def stream(self, pause):
        self.open += 1
        try:
            while True:
                yield "x" * 1000
                await asyncio.sleep(pause)
        finally:
            self.open -= 1

    async def state(self):
        with open("/proc/self/statm") as statm:
            rss = int(statm.read().split()[1]) * 4096
        return {"open": self.open, "tasks": len(asyncio.all_tasks()), "rss": rss}
"""
AT_ONCE = 8
"""Streams of each kind that are open at the same time."""
MIB = 1024 * 1024
RSS = 24 * MIB
"""Bytes that either process may have more afterwards: some full windows at once, nothing for each stream."""
EMPTY = ("gleitzeit_streams_open", "gleitzeit_instance_in_flight", "gleitzeit_queue_length")
"""What is to be nothing once all is over."""


@dataclass(frozen=True)
class Taken:
    """What the daemon and the provider hold."""

    series: int
    """Of metrics."""
    tasks: float
    connections: float
    provider_tasks: int
    rss: float
    provider_rss: int


def metrics(h: House) -> Mapping[str, float]:
    """Each sample of /metrics by its name and labels as they are written."""
    connection = http.client.HTTPConnection("d", timeout=PATIENCE)
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(h.socket))
        connection.sock = line
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        assert answer.status == 200
        lines = [line.split() for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {re.sub(r"\s", "", "".join(words[:-1])): float(words[-1]) for words in lines}


def total(samples: Mapping[str, float], name: str) -> float:
    return sum(value for key, value in samples.items() if key.partition("{")[0] == name)


def leave_nothing(root: Path, *, streams: int) -> None:
    """What the daemon and the provider hold after so many is what they held after the first."""
    with house(root, {"fountain": {"class": "fountain.Fountain"}}, {"fountain.py": FOUNTAIN}) as h:
        all_are(h, "RUNNING")
        anyio.run(_abandon, h, max(streams // 20, 60))
        before = _at_rest(h)
        anyio.run(_abandon, h, streams)
        # One task more or less may be there for whoever asks.
        becomes(lambda: _at_rest(h).tasks <= before.tasks + 2, True, "the tasks of the daemon are over")
        becomes(
            lambda: _at_rest(h).provider_tasks <= before.provider_tasks, True, "those of the provider are"
        )
        after = _at_rest(h)
        assert (after.series, after.connections) == (before.series, before.connections)
        assert after.rss <= before.rss + RSS
        assert after.provider_rss <= before.provider_rss + RSS


def _at_rest(h: House) -> Taken:
    """What is taken once no stream is left."""
    becomes(lambda: [total(metrics(h), name) for name in EMPTY], [0.0, 0.0, 0.0], "the gauges of the calls")
    becomes(lambda: h.invoke("fountain", "state", {})["open"], 0, "generators in the provider")
    said, samples = h.invoke("fountain", "state", {}), metrics(h)
    return Taken(
        series=len(samples),
        tasks=total(samples, "gleitzeit_tasks"),
        connections=total(samples, "gleitzeit_connections"),
        provider_tasks=said["tasks"],
        rss=total(samples, "process_resident_memory_bytes"),
        provider_rss=said["rss"],
    )


async def _abandon(h: House, streams: int) -> None:
    """A third each by a broken HTTP connection, a `cancel`, and the end of a connection with many calls."""
    async with Http.to(h) as http, caller(h) as patient:
        sessions = Session(patient)
        for _ in range(0, streams, 3 * AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for number in range(AT_ONCE):
                    tasks.start_soon(_break, http, number)
                    tasks.start_soon(sessions.cancel, number)
                tasks.start_soon(_leave, h)


def _args(number: int) -> dict[str, Any]:
    """One of each batch fills its window before it is let go of."""
    return {"pause": 0.05 if number else 0}


async def _break(http: Http, number: int) -> None:
    async with http.stream("fountain", _args(number)) as lines:
        assert "item" in await anext(lines)


async def _leave(h: House) -> None:
    async with caller(h) as leaving:
        session = Session(leaving)
        async with anyio.create_task_group() as tasks:
            for number in range(AT_ONCE):
                tasks.start_soon(session.begin, number)


class Session:
    """Streams of one Socket.IO connection."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._begun: dict[str, asyncio.Event] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._count = 0
        client.on("chunk", self._chunk, namespace=CLIENTS)
        for end in ("end", "result"):
            client.on(end, self._end, namespace=CLIENTS)

    async def begin(self, number: int) -> str:
        """Start one and wait for its first items; its id."""
        self._count += 1
        name = str(self._count)
        begun = self._begun[name] = asyncio.Event()
        self._ended[name] = asyncio.Event()
        ask = {"id": name, "provider": "fountain", "method": "stream", "args": _args(number), "stream": True}
        await self._client.emit("invoke", ask, namespace=CLIENTS)
        with anyio.fail_after(PATIENCE):
            await begun.wait()
        return name

    async def cancel(self, number: int) -> None:
        name = await self.begin(number)
        await self._client.emit("cancel", {"id": name}, namespace=CLIENTS)
        with anyio.fail_after(PATIENCE):
            await self._ended[name].wait()
        del self._begun[name], self._ended[name]

    async def _chunk(self, data: dict[str, Any]) -> None:
        if begun := self._begun.get(data["id"]):
            begun.set()

    async def _end(self, data: dict[str, Any]) -> None:
        self._ended[data["id"]].set()

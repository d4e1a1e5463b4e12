"""A caller's connection to either hub: the yardstick's, and ours as docs/protocol.md has it."""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from typing import Any

import socketio

from gleitzeit_extensions.protocol import CLIENTS, PROTO, WINDOW

PATIENCE = 120


class Caller(ABC):
    """A connection to a hub, and the stream that it reads at present."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.got = self.wanted = 0
        self.disorder = False
        self.ended = asyncio.Event()

    @abstractmethod
    async def connect(self, url: str, token: str) -> None: ...

    @abstractmethod
    async def call(self, args: dict[str, Any]) -> Any: ...

    @abstractmethod
    async def ask_for(self, count: int) -> None:
        """Begin a stream of so many items."""

    async def stream(self, count: int) -> None:
        self.got, self.wanted = 0, count
        self.ended.clear()
        await self.ask_for(count)
        await asyncio.wait_for(self.ended.wait(), PATIENCE)

    def take(self, item: dict[str, Any]) -> None:
        self.disorder |= item["i"] != self.got
        self.got += 1


class Bare(Caller):
    """Beside the hub of `bare.py`: every call is acknowledged with its result."""

    async def connect(self, url: str, token: str) -> None:
        self.client.on("chunk", self.on_chunk)
        await self.client.connect(url, transports=["websocket"])

    async def call(self, args: dict[str, Any]) -> Any:
        return await self.client.call("invoke", args)

    async def ask_for(self, count: int) -> None:
        await self.client.emit("stream", count)

    def on_chunk(self, item: dict[str, Any]) -> None:
        self.take(item)
        if self.got == self.wanted:
            self.ended.set()


class Gz(Caller):
    """Beside our daemon, on `/clients`, as docs/protocol.md has it."""

    def __init__(self) -> None:
        super().__init__()
        self.ids = itertools.count()
        self.waiting: dict[str, asyncio.Future[Any]] = {}
        self.frames = 0

    async def connect(self, url: str, token: str) -> None:
        self.client.on("result", self.on_result, namespace=CLIENTS)
        self.client.on("chunk", self.on_chunk, namespace=CLIENTS)
        self.client.on("end", self.on_end, namespace=CLIENTS)
        auth = {"proto": PROTO, "token": token}
        await self.client.connect(url, namespaces=[CLIENTS], transports=["websocket"], auth=auth)

    async def call(self, args: dict[str, Any]) -> Any:
        call = str(next(self.ids))
        answer = self.waiting[call] = asyncio.get_running_loop().create_future()
        await self.invoke(id=call, method="echo", args=args)
        return await answer

    async def ask_for(self, count: int) -> None:
        self.frames = 0
        await self.invoke(id=str(next(self.ids)), method="stream", args={"count": count}, stream=True)

    async def invoke(self, **call: Any) -> None:
        await self.client.emit("invoke", {"provider": "echo", **call}, namespace=CLIENTS)

    def on_result(self, data: dict[str, Any]) -> None:
        answer = self.waiting.pop(data["id"])
        if data["ok"]:
            answer.set_result(data["result"])
        else:
            answer.set_exception(RuntimeError(data["error"]["message"]))

    async def on_chunk(self, data: dict[str, Any]) -> None:
        for item in data["d"]:
            self.take(item)
        self.frames += 1
        if self.frames % (WINDOW // 2) == 0:
            await self.client.emit("credit", {"id": data["id"], "n": WINDOW // 2}, namespace=CLIENTS)

    def on_end(self, data: dict[str, Any]) -> None:
        if self.got != self.wanted:
            raise SystemExit(f"the stream ended after {self.got} of {self.wanted} items: {data}")
        self.ended.set()

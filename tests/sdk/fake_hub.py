"""A small hub for the SDK's tests: speaks `docs/protocol.md` to providers and remembers what they said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import socketio
from aiohttp import web

from gleitzeit_extensions.protocol import (
    MAX_FRAME,
    PING_INTERVAL,
    PROTO,
    PROVIDERS,
    TRANSPORT_LIMIT,
    WINDOW,
    CallError,
    Wire,
)

PATIENCE = 10.0
"""Seconds after which a fact that a test waits for is not coming."""


class FakeHub:
    """Start it, wait for facts with `seen`, say things with `tell`; it may be stopped and started again."""

    def __init__(self, *, token: str | None = None, answer: Callable[[Wire], Any] | None = None) -> None:
        self.token = token
        self.answer = answer
        self.heard: list[tuple[str, Any]] = []
        self.auths: list[Wire] = []
        self.sids: list[str] = []
        self.port = 0
        self.ping: float = PING_INTERVAL
        self._news = asyncio.Event()
        self._ids = count(1)
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, path: Path | None = None) -> None:
        self._sio = socketio.AsyncServer(
            async_mode="aiohttp",
            max_http_buffer_size=TRANSPORT_LIMIT,
            ping_interval=self.ping,
            ping_timeout=self.ping,
        )
        self._sio.on("connect", self._connected, namespace=PROVIDERS)
        self._sio.on("disconnect", self._disconnected, namespace=PROVIDERS)
        self._sio.on("register", self._registered, namespace=PROVIDERS)
        self._sio.on("*", self._hear, namespace=PROVIDERS)
        app = web.Application()
        self._sio.attach(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = (
            web.UnixSite(self._runner, path)
            if path
            else web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        )
        await site.start()
        if not path:
            self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner:
            await self._sio.shutdown()
            await self._runner.cleanup()
            self._runner = None

    async def tell(self, event: str, data: Any) -> None:
        await self._sio.emit(event, data, to=self.sids[-1], namespace=PROVIDERS)

    async def kick(self) -> None:
        """End the provider's connection without a word."""
        await self._sio.disconnect(self.sids[-1], namespace=PROVIDERS)

    async def invoke(self, method: str, args: Any = None, **fields: Any) -> str:
        id = f"c{next(self._ids)}"
        await self.tell("invoke", {"id": id, "method": method, "args": args or {}, "stream": False, **fields})
        return id

    async def call(self, method: str, args: Any = None, **fields: Any) -> Any:
        """What the provider answers, whole: `{id, ok, result}` or `{id, ok, error}`."""
        return await self.seen("result", id=await self.invoke(method, args, **fields))

    async def fails(self, method: str, args: Any = None, **fields: Any) -> CallError:
        answer = await self.call(method, args, **fields)
        assert answer["ok"] is False, answer
        return CallError.read(answer["error"])

    async def stream(self, method: str, args: Any = None, **fields: Any) -> tuple[list[Any], Wire]:
        """All items and the end."""
        id = await self.invoke(method, args, stream=True, **{"credit": WINDOW, **fields})
        end = await self.seen("end", id=id)
        return self.items(id), end

    def items(self, id: str) -> list[Any]:
        return [
            item for name, data in self.heard if name == "chunk" and data["id"] == id for item in data["d"]
        ]

    async def seen(self, event: str, nth: int = 1, **fields: Any) -> Any:
        """The nth thing heard of this kind, with these fields; waits until it is heard."""

        def found() -> list[Any]:
            return [
                data
                for name, data in self.heard
                if name == event and all(data.get(key) == value for key, value in fields.items())
            ]

        await self.until(lambda: len(found()) >= nth, f"{event} {fields}")
        return found()[nth - 1]

    async def until(self, fact: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not fact():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as exc:
            raise AssertionError(f"never heard {what}; heard {self.heard}") from exc

    def _connected(self, sid: str, environ: Wire, auth: Wire | None = None) -> None:
        self.auths.append(auth or {})
        if self.token is not None and (auth or {}).get("token") != self.token:
            error = CallError("unauthenticated", "the token is not the one of this daemon")
            self._hear("refused", sid, error.wire())
            raise socketio.exceptions.ConnectionRefusedError(error.message, error.wire())

    def _disconnected(self, sid: str, reason: str) -> None:
        self._hear("gone", sid, {})

    def _registered(self, sid: str, data: Wire) -> Any:
        self.sids.append(sid)
        self._hear("register", sid, data)
        if self.answer:
            return self.answer(data)
        return {"ok": True, "session": sid, "proto": PROTO, "max_frame": MAX_FRAME, "window": WINDOW}

    def _hear(self, event: str, sid: str, data: Any = None) -> None:
        self.heard.append((event, data))
        self._news.set()


@asynccontextmanager
async def a_hub(**settings: Any) -> AsyncIterator[FakeHub]:
    hub = FakeHub(**settings)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()

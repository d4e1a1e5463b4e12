"""What every request at the hub's sockets passes first, and the way of WebSockets to Socket.IO."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from anyio.abc import TaskGroup

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.admission import ADMISSION, Admission
from gleitzeitd.hub.access.crowd import Crowd
from gleitzeitd.hub.access.refusals import Refusals, refused
from gleitzeitd.hub.access.strangers import refuse_foreign

log = structlog.get_logger("gleitzeitd")
PATH = "/socket.io/"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms the hub serves at its TCP sockets."""

    host: str = "localhost"
    """The name it is known by."""
    most: int = 10_000
    """Connections at once."""
    tls: ssl.SSLContext | None = None


HERE = Terms()


class Entrance:
    def __init__(self, terms: Terms, admission: Admission, refusals: Refusals, tasks: TaskGroup) -> None:
        self.crowd = Crowd(terms.most)
        self._terms = terms
        self._admission = admission
        self._refusals = refusals
        self._tasks = tasks
        self._socketio: Callable[[web.Request], Awaitable[Any]]

    def lead(self, app: web.Application, socketio: Callable[[web.Request], Awaitable[Any]]) -> None:
        """Through here into `app`, and to Socket.IO at its path."""
        self._socketio = socketio
        app.middlewares.append(self._pass)
        # of any other method python-engineio tells the log each time
        app.router.add_route("GET", PATH, self._enter)

    @web.middleware
    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            refuse_foreign(request, self._terms.host)
            room = self.crowd.with_request(request)
        except CallError as exc:
            answer = refused(self._refusals.counted(exc))
            answer.force_close()
            return answer
        with room:
            request[ADMISSION] = self._admission
            return await handler(request)

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        """Whoever asks over HTTP and hangs up ends what they asked for. That cancels this, too; but Socket.IO
        has to find out by itself that somebody left, in order to say so to those whom it concerns."""
        answer = asyncio.get_running_loop().create_future()
        self._tasks.start_soon(self._host, request, answer)
        response: web.StreamResponse = await answer
        return response

    async def _host(self, request: web.Request, answer: asyncio.Future[web.StreamResponse]) -> None:
        # who hangs up before there is an answer gets none
        with self.crowd.with_guest(request) as guest, guest.scope, suppress(ConnectionResetError):
            response = await self._answer(request)
            if not answer.done():
                answer.set_result(response)
        if not answer.done():
            answer.cancel()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await self._socketio(request)
            return response
        except ConnectionResetError:
            raise
        except Exception:
            # One connection's mistake of ours must not take the hub with it.
            log.exception("connection failed")
            return refused(CallError("internal", "the connection failed: see the daemon's log"))

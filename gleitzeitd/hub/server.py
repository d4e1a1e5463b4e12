"""The Socket.IO side of the hub: what its parts are, and the sockets that they serve.

python-socketio runs the handlers in the loop that reads the connection. So events stay in order, and a
handler only does the bookkeeping; what takes time is started in the hub's task group.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
from aiohttp import web
from anyio.abc import TaskGroup

from gleitzeit_extensions.protocol import (
    BACKLOG,
    CLIENTS,
    PING_INTERVAL,
    PING_TIMEOUT,
    PROTO,
    PROVIDERS,
    TRANSPORT_LIMIT,
    CallError,
)
from gleitzeitd.core.spec import Spec
from gleitzeitd.hub.access.admission import Admission
from gleitzeitd.hub.access.crowd import JOIN_TIME
from gleitzeitd.hub.access.door import Door
from gleitzeitd.hub.access.entrance import HERE, Entrance, Terms
from gleitzeitd.hub.access.manners import conversations
from gleitzeitd.hub.access.refusals import Refusals
from gleitzeitd.hub.access.tokens import Grant, Tokens
from gleitzeitd.hub.callers import Callers
from gleitzeitd.hub.health import Health
from gleitzeitd.hub.meter import Meter
from gleitzeitd.hub.patience import Limits
from gleitzeitd.hub.providers import Providers
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Facts, Registry
from gleitzeitd.hub.router import Router
from gleitzeitd.hub.wire.manager import DirectManager
from gleitzeitd.hub.wire.server import DirectServer

PATIENCE = Limits()


class Hub:
    """Use it with `run`, in a task group of the daemon's."""

    def __init__(
        self,
        specs: tuple[Spec, ...],
        disabled: frozenset[str],
        tokens: Tokens,
        facts: Facts,
        patience: Limits = PATIENCE,
    ) -> None:
        self.registry = Registry(specs, disabled, tokens, facts, self._hang_up)
        self.meter = Meter(self.registry.is_provider)
        self.router = Router(self.registry, self._post, self.meter, self._start)
        self._refusals = Refusals(self.meter.turned_away)
        self.admission = Admission(tokens, self.registry.spec_of, facts.owns, self._refusals)
        self._patience = patience
        self._providers: Providers
        self._tasks: TaskGroup
        self._entrance: Entrance
        self._sio = DirectServer(
            self._refusals.counted,
            async_mode="aiohttp",
            client_manager=DirectManager(self._acknowledged),
            async_handlers=False,
            transports=["websocket"],
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            # Each connection watches over itself.
            monitor_clients=False,
            max_http_buffer_size=TRANSPORT_LIMIT,
            # Browsers of other sites do not get past the entrance, and it knows more of where they come from.
            cors_allowed_origins=[],
            # engineio's own refuses integers of over 100 digits.
            json=json,
            logger=logging.getLogger("socketio"),
            engineio_logger=logging.getLogger("engineio"),
        )

    @property
    def health(self) -> Health:
        return self._providers.health

    async def run(
        self,
        sockets: list[socket.socket],
        app: web.Application,
        terms: Terms = HERE,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve on the listening `sockets`, which are the hub's from now on, until cancelled.

        Socket.IO joins what `app` answers there already. Its handlers are cancelled when who asked hangs up.
        """
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            self._entrance = Entrance(terms, self.admission, self._refusals, self._tasks)
            self._entrance.lead(app, self._sio.handle_request)
            disconnect = partial(self._sio.disconnect, namespace=PROVIDERS)
            emit = partial(self._emit, PROVIDERS)
            self._providers = Providers(
                self.registry,
                self.admission,
                self._tasks,
                emit,
                disconnect,
                lambda: self._sio.size,
                self._patience,
            )
            stack.callback(self._providers.close)
            # One of anyio's takes several times as long to start a task.
            calls = await stack.enter_async_context(asyncio.TaskGroup())
            callers = Callers(self.router, self.admission, calls, partial(self._emit, CLIENTS))
            for namespace, part in ((PROVIDERS, self._providers), (CLIENTS, callers)):
                for event, take in part.handlers().items():
                    self._sio.on(event, take, namespace=namespace)
                self._sio.on("*", partial(self._unknown, namespace), namespace=namespace)
            await runner.setup()
            stack.push_async_callback(self._close, runner)
            for listening in sockets:
                tls = None if listening.family == socket.AF_UNIX else terms.tls
                stack.callback((await self._open(runner, listening, tls)).close)
            self._tasks.start_soon(self._entrance.crowd.idle.sweep, runner)
            task_status.started()
            await anyio.sleep_forever()

    async def _open(
        self, runner: web.AppRunner, listening: socket.socket, tls: ssl.SSLContext | None
    ) -> asyncio.Server:
        crowd, over_tcp = self._entrance.crowd, listening.family != socket.AF_UNIX
        make_room = partial(crowd.make_room, runner, over_tcp=over_tcp)
        door = Door.of(listening, make_room=make_room, room=crowd.room if over_tcp else None)
        # Who only begins to speak TLS, or does not end it, is in no crowd yet, or any more.
        patience = JOIN_TIME if tls else None
        return await asyncio.get_running_loop().create_server(
            conversations(runner.server),
            sock=door,
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=patience,
            ssl_shutdown_timeout=patience,
        )

    async def _close(self, runner: web.AppRunner) -> None:
        with anyio.move_on_after(2, shield=True):
            # A farewell would wait for peers that are frozen.
            for connection in runner.server.connections if runner.server else ():
                if connection.transport is not None:
                    connection.transport.abort()
            await self._sio.shutdown()
            await runner.cleanup()
        self._entrance.crowd.close()

    def connections(self) -> Mapping[str, int]:
        """How many are connected, by what they are."""
        rooms = self._sio.manager.rooms
        kinds = {"provider": PROVIDERS, "caller": CLIENTS}
        # python-socketio keeps all of a namespace in the room None
        return {kind: len(rooms.get(namespace, {}).get(None, ())) for kind, namespace in kinds.items()}

    def drain(self, instance: str, generation: int, timeout: float) -> None:
        """Give it no more calls, and tell it how many seconds those that it has have left."""
        for registration in self.registry.drain(instance, generation):
            self._post(registration, "drain", {"deadline_ms": round(timeout * 1000)})

    def know(self, spec: Spec) -> None:
        """A provider, new or as it is wanted from now on."""
        self._providers.know(spec)

    def revoked(self, grant: Grant) -> None:
        """A token is good no more: whoever has shown it is sent away."""
        self.admission.forget(grant)
        self._refusals.forget(grant.who)
        self.router.forget(grant.who)
        self._entrance.crowd.hang_up(grant)

    def _hang_up(self, grant: Grant) -> None:
        self._providers.hang_up(grant)

    def _post(self, registration: Registration, event: str, data: Any) -> None:
        self._providers.post(registration, event, data)

    def _start(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        self._tasks.start_soon(function, *arguments)

    def _acknowledged(self, sid: str, number: int, data: list[Any]) -> None:
        self._providers.acknowledged(sid, number, data)

    async def _unknown(self, namespace: str, event: str, sid: str, *_: object) -> None:
        error = CallError("protocol", f'there is no event "{event[:100]}" in gz/{PROTO}')
        await self._emit(namespace, sid, "error", error.wire())

    async def _emit(self, namespace: str, sid: str, event: str, data: Any, number: int | None = None) -> None:
        await self._sio.emit(event, data, room=sid, namespace=namespace, callback=number)

"""The Socket.IO side of the hub: connections and events of `gz/1` in, events out.

python-socketio runs the handlers in the loop that reads the connection. So events stay in order, and a
handler only does the bookkeeping; what takes time is started in the hub's task group.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import socketio
import structlog
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
    Wire,
)
from gleitzeitd.core.spec import Check, CheckKind, CommandTarget, Spec
from gleitzeitd.hub.callers import Callers
from gleitzeitd.hub.credentials import credentials
from gleitzeitd.hub.door import Door
from gleitzeitd.hub.health import Health
from gleitzeitd.hub.manager import DirectManager
from gleitzeitd.hub.pings import SteadyServer
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Facts, Registry
from gleitzeitd.hub.router import Router
from gleitzeitd.hub.tokens import Grant, Tokens

log = structlog.get_logger("gleitzeitd")
LONGEST_REASON = 200
"""Characters that are kept of why a provider says that it is not ready."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A provider that is asked how it is, and what ends the asking."""

    check: Check
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Hub:
    """Use it with `run`, in a task group of the daemon's."""

    def __init__(
        self, specs: tuple[Spec, ...], disabled: frozenset[str], tokens: Tokens, facts: Facts
    ) -> None:
        self.registry = Registry(specs, disabled, tokens, facts, self._hang_up)
        self.router = Router(self.registry, self._post)
        self.health = Health(self.registry)
        self._peers: dict[str, tuple[Grant, int | None]] = {}
        self._watches: dict[str, Watched] = {}
        self._tasks: TaskGroup
        self._sio = SteadyServer(
            async_mode="aiohttp",
            client_manager=DirectManager(),
            async_handlers=False,
            transports=["websocket"],
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            max_http_buffer_size=TRANSPORT_LIMIT,
            # Browsers of other sites must not reach it; an empty list would switch the check off.
            cors_allowed_origins=None,
            # engineio's own refuses integers of over 100 digits.
            json=json,
            logger=logging.getLogger("socketio"),
            engineio_logger=logging.getLogger("engineio"),
        )

    async def run(
        self,
        sockets: list[socket.socket],
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve on the listening `sockets`, which are the hub's from now on, until cancelled."""
        app = web.Application()
        self._sio.attach(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        async with AsyncExitStack() as stack:
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            # What ends later has no connection that could be closed.
            stack.callback(self._peers.clear)
            self._callers = Callers(self.router, self._tasks, partial(self._emit, CLIENTS))
            self._listen()
            await runner.setup()
            stack.push_async_callback(self._close, runner)
            for listening in sockets:
                await web.SockSite(runner, Door.of(listening), backlog=BACKLOG).start()
            task_status.started()
            await anyio.sleep_forever()

    async def _close(self, runner: web.AppRunner) -> None:
        with anyio.move_on_after(2, shield=True):
            # A farewell would wait for peers that are frozen.
            for connection in runner.server.connections if runner.server else ():
                if connection.transport is not None:
                    connection.transport.abort()
            await self._sio.shutdown()
            await runner.cleanup()

    def drain(self, instance: str, generation: int, timeout: float) -> None:
        """Give it no more calls, and tell it how many seconds those that it has have left."""
        for registration in self.registry.drain(instance, generation):
            self._post(registration, "drain", {"deadline_ms": round(timeout * 1000)})

    def know(self, spec: Spec) -> None:
        """A provider, new or as it is wanted from now on."""
        for external in self.registry.know(spec):
            log.warning("external provider sent away", name=spec.name, reason="the config file has one now")
            self._left(external.sid)
            self._tasks.start_soon(partial(self._sio.disconnect, external.sid, namespace=PROVIDERS))
        for registration in self.registry.registrations(spec.name):
            self._watch_anew(registration)

    def _listen(self) -> None:
        on = self._sio.on
        on("connect", self._connect_provider, namespace=PROVIDERS)
        on("disconnect", self._disconnect_provider, namespace=PROVIDERS)
        on("register", self._register, namespace=PROVIDERS)
        for event, take in self._provider_events().items():
            on(event, partial(self._from_provider, take), namespace=PROVIDERS)
        on("*", partial(self._unknown, PROVIDERS), namespace=PROVIDERS)
        on("connect", self._connect_caller, namespace=CLIENTS)
        on("disconnect", self._disconnect_caller, namespace=CLIENTS)
        for event, take_from in self._callers.events().items():
            on(event, take_from, namespace=CLIENTS)
        on("*", partial(self._unknown, CLIENTS), namespace=CLIENTS)

    def _provider_events(self) -> dict[str, Callable[[Registration, Wire], None]]:
        registry = self.registry

        def result(registration: Registration, data: Wire) -> None:
            if registration.result(data):
                registry.answered(registration)

        def chunk(registration: Registration, data: Wire) -> None:
            if broken := registration.chunk(data):
                self._post(registration, "cancel", {"id": broken.id, "reason": "protocol"})

        def end(registration: Registration, data: Wire) -> None:
            if registration.end(data):
                registry.answered(registration)

        return {
            "result": result,
            "chunk": chunk,
            "end": end,
            "update": registry.update,
            "ready": lambda registration, _: registry.set_ready(registration, True),
            "not_ready": lambda registration, data: registry.set_ready(registration, False, _reason(data)),
            "health": self.health.answer,
            "bye": lambda registration, _: self._left(registration.sid, on_purpose=True),
        }

    # Providers.
    async def _connect_provider(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        grant, pid = self._admit(environ, auth)
        self._peers[sid] = (grant, pid)

    def _replace(self, grant: Grant, *, but: str) -> None:
        """A newer connection of one generation takes the place of the older."""
        for older in self.registry.of(grant):
            if older.sid != but:
                self._left(older.sid)
                self._tasks.start_soon(partial(self._sio.disconnect, older.sid, namespace=PROVIDERS))

    def _hang_up(self, grant: Grant) -> None:
        for sid in [sid for sid, (held, _) in self._peers.items() if held == grant]:
            del self._peers[sid]
            self._tasks.start_soon(partial(self._sio.disconnect, sid, namespace=PROVIDERS))

    async def _disconnect_provider(self, sid: str, *_: object) -> None:
        self._peers.pop(sid, None)
        self._left(sid)

    def _left(self, sid: str, *, on_purpose: bool = False) -> None:
        if watched := self._watches.pop(sid, None):
            watched.scope.cancel()
        registration = self.registry.registration(sid)
        self.registry.disconnected(sid, on_purpose=on_purpose)
        if registration is None:
            return
        self.health.forget(registration)
        if registration.is_external:
            log.info("external provider left", name=registration.name)

    async def _register(self, sid: str, data: object = None, *_: object) -> Wire:
        try:
            if sid not in self._peers:
                raise CallError("protocol", "this connection has ended")
            grant, pid = self._peers[sid]
            offer = self.registry.offer(sid, grant, data)
        except CallError as exc:
            log.warning("registration refused", reason=exc.message)
            return {"ok": False, "error": exc.wire()}
        self._replace(grant, but=sid)
        answer = self.registry.register(sid, grant, pid, offer, partial(self._emit, PROVIDERS, sid))
        registration = self.registry.registration(sid)
        assert registration is not None
        self._watch_anew(registration)
        if registration.is_external:
            log.info("external provider registered", name=registration.name)
        return dict(answer)

    def _check(self, registration: Registration) -> Check | None:
        """How the provider is asked how it is; None when it is not."""
        spec = self.registry.spec_of(registration.grant)
        check = spec.health if spec else Check()
        return check if check is not None and check.kind is CheckKind.PROVIDER else None

    def _watch_anew(self, registration: Registration) -> None:
        """Have it asked as is wanted now, if that is not how it is asked already."""
        check, asked = self._check(registration), self._watches.get(registration.sid)
        if check == (asked.check if asked else None):
            return
        if asked is not None:
            asked.scope.cancel()
            del self._watches[registration.sid]
        if check is not None:
            watched = self._watches[registration.sid] = Watched(check)
            self._tasks.start_soon(self._watch, registration, watched)

    async def _watch(self, registration: Registration, watched: Watched) -> None:
        with watched.scope:
            await self.health.watch(registration, watched.check)

    async def _from_provider(
        self, take: Callable[[Registration, Wire], None], sid: str, data: object = None, *_: object
    ) -> None:
        registration = self.registry.registration(sid)
        try:
            if registration is None:
                raise CallError("protocol", "register first")
            if not isinstance(data, dict | None):
                raise CallError("protocol", "the payload of every event is a mapping")
            take(registration, data or {})
        except CallError as exc:
            await self._emit(PROVIDERS, sid, "error", exc.wire())

    # Callers.
    async def _connect_caller(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        grant, _ = self._admit(environ, auth)
        if grant.instance is not None:
            _refuse(CallError("forbidden", "this token is for the provider itself, not for calls"))

    async def _disconnect_caller(self, sid: str, *_: object) -> None:
        self._callers.left(sid)

    # Both.
    def _admit(self, environ: Mapping[str, Any], auth: object) -> tuple[Grant, int | None]:
        """Who connects, by token and, on the Unix socket, by the kernel's word, or a refusal."""
        given = auth if isinstance(auth, dict) else {}
        grant = self.registry.tokens.check(given.get("token"))
        pid = peer_pid(environ)
        if given.get("proto") != PROTO:
            _refuse(
                CallError(
                    "protocol", f"this hub speaks gz/{PROTO}: connect with auth {{proto: {PROTO}, token}}"
                )
            )
        if grant is None:
            _refuse(
                CallError("unauthenticated", "the token is unknown: the daemon makes a new one at each start")
            )
            raise AssertionError
        if grant.instance is not None and not self._is_its_own(grant.instance, grant.generation, pid):
            _refuse(CallError("forbidden", f'this process does not belong to "{grant.instance}"'))
        return grant, pid

    def _is_its_own(self, instance: str, generation: int, pid: int | None) -> bool:
        """Whether who holds an instance's token is that instance."""
        if pid is not None:
            return self.registry.facts.owns(instance, generation, pid)
        # Over TCP nobody says who connects. A command is told the address and may know no other way.
        spec = self.registry.spec_of(Grant(instance, generation))
        return spec is not None and isinstance(spec.target, CommandTarget)

    async def _unknown(self, namespace: str, event: str, sid: str, *_: object) -> None:
        error = CallError("protocol", f'there is no event "{event}" in gz/{PROTO}')
        await self._emit(namespace, sid, "error", error.wire())

    async def _emit(self, namespace: str, sid: str, event: str, data: Any) -> None:
        await self._sio.emit(event, data, room=sid, namespace=namespace)

    def _post(self, registration: Registration, event: str, data: Any) -> None:
        self._tasks.start_soon(registration.emit, event, data)


def _reason(data: Wire) -> str:
    """Why it is not ready, in one line of a length that everything has room for."""
    reason = data.get("reason")
    return " ".join(reason.split())[:LONGEST_REASON] if isinstance(reason, str) else ""


def _refuse(error: CallError) -> None:
    raise socketio.exceptions.ConnectionRefusedError(error.message, error.wire())


def peer_pid(environ: Mapping[str, Any]) -> int | None:
    """The pid of who connects; None over TCP."""
    request = environ.get("aiohttp.request")
    peer = credentials(request.transport) if isinstance(request, web.BaseRequest) else None
    return peer.pid if peer else None

"""One registration with the hub: made, kept true, served, and ended with a goodbye.

The socket below it is `transport`'s, connecting again is `link`'s, and what runs is in `calls`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from gleitzeit_extensions import failures, frames, health, places
from gleitzeit_extensions.calls import Calls
from gleitzeit_extensions.context import Launch
from gleitzeit_extensions.protocol import PROTO, CallError, Wire
from gleitzeit_extensions.registration import changes, registration
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from gleitzeit_extensions.transport import Lost, Transport
from gleitzeit_extensions.waiting import ended

log = logging.getLogger("gleitzeit")

STOP_GRACE = 2.0
"""Seconds that running calls have to finish when the provider is stopped."""


class Refused(ConnectionError):
    """The hub is there and does not want this provider; the text is its sentence."""

    def __init__(self, name: str, error: CallError, *, at_register: bool = False) -> None:
        super().__init__(f'the hub refused "{name}": {error.message}')
        self.error = error
        self.at_register = at_register


class Connection:
    """Open it once, serve until it is lost, close it."""

    def __init__(self, provider: SocketIOProviderClient, launch: Launch | None) -> None:
        self.transport = Transport(launch.hub_socket if launch else None, self._received)
        self._provider = provider
        self._launch = launch
        self._calls = Calls(provider, self.transport.send)
        self._session: str | None = None
        self._told: Wire = {}
        self._told_why: str | None = None
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._health_task: asyncio.Task[None] | None = None
        self._events: dict[str, Callable[[Any], None]] = {
            "invoke": self._calls.invoke,
            "cancel": self._calls.cancel,
            "credit": self._calls.credit,
            "health": self._health,
            "drain": self._drain,
            "error": self._error,
        }

    @property
    def session(self) -> str | None:
        return None if self.transport.lost.is_set() else self._session

    async def open(self) -> None:
        """Connect and register; raises `Lost` or `Refused`, and then nothing is left open."""
        auth = {"proto": PROTO, "token": self._token()}
        try:
            await self.transport.open(self._provider.server_url, auth)
            await self._register()
        except CallError as exc:
            await self._leave()
            raise Refused(self._provider.name, exc, at_register=bool(self._told)) from exc
        except BaseException:
            await self.close()  # stopped while the hub was answering: it may know us already
            raise
        self.refresh()  # what changed while the hub was answering

    async def close(self) -> None:
        """Let calls end and say goodbye; after a loss there is nobody to say it to."""
        if self._told and not self.transport.lost.is_set():
            if self._calls.are_running:  # after a `bye` their answers would come from nobody
                await self.transport.send("not_ready", {"reason": "stopping"})
                await self._calls.end(STOP_GRACE)
            await self.transport.send("bye", {})
            await self.transport.flush()
        await self._leave()

    def refresh(self) -> None:
        """Tell the hub soon what has changed since the registration; may be called from any thread."""
        with suppress(RuntimeError):  # the loop is closed: there is nobody to tell
            self._loop.call_soon_threadsafe(lambda: self._own(asyncio.create_task(self._update())))

    def owns(self, task: asyncio.Task[Any] | None) -> bool:
        return self._calls.owns(task)

    async def _register(self) -> None:
        self._told = registration(self._provider)
        what = f'what "{self._provider.name}" tells about itself'
        message = frames.message(self._told, "register", what, self._calls.limit)
        answer = await self.transport.ask("register", message)
        match answer:
            case {"ok": True, "proto": proto} if proto != PROTO:
                raise CallError("protocol", f"it speaks gz/{proto}, not gz/{PROTO}: install the same version")
            case {"ok": True, "session": str(session)}:
                self._calls.limit = answer.get("max_frame") or self._calls.limit
                self._calls.window = answer.get("window") or self._calls.window
                self._session = session
                self._told_why = None if self._told["ready"] else ""
            case {"ok": False, "error": error}:
                raise CallError.read(error)
            case _:
                raise Lost(f"the hub answered register with {answer!r:.100}")

    async def _update(self) -> None:
        if not self.session:
            return
        try:
            now = registration(self._provider)
            changed = changes(self._told, now)
            message = frames.message(changed, "update", "what changed", self._calls.limit)
        except CallError as exc:
            log.error('cannot tell the hub about "%s": %s', self._provider.name, exc)
            return
        self._told = now
        if changed:
            await self.transport.send("update", message)
        await self._update_readiness()

    async def _update_readiness(self) -> None:
        why = self._provider.why_not_ready
        if why == self._told_why:
            return
        self._told_why = why
        if why is None:
            await self.transport.send("ready", {})
        else:
            await self.transport.send("not_ready", {"reason": why})

    def _received(self, event: str, data: Any) -> None:
        try:
            handle = self._events.get(event)
            if handle is None:
                raise CallError("protocol", f'"{event}" is not an event for providers')
            handle(data)
        except CallError as exc:
            complaint = failures.envelope(exc, self._calls.limit)
            self._own(asyncio.create_task(self.transport.send("error", complaint)))

    def _health(self, data: Any) -> None:
        match data:
            case {"id": id}:
                if self._health_task:
                    self._health_task.cancel()  # whoever asks again does not wait for the older answer
                self._health_task = asyncio.create_task(self._answer_health(id))
                self._own(self._health_task)
            case _:
                raise CallError("protocol", f"a health needs an id, not {data!r:.200}")

    async def _answer_health(self, id: object) -> None:
        await self.transport.send("health", await health.answer(self._provider, id, self._calls.limit))
        await self._update()  # a list that was changed in place shows here at the latest

    def _drain(self, data: Any) -> None:
        self._calls.refuse()

    def _error(self, data: Any) -> None:
        log.warning("the hub could not use what was sent: %s", CallError.read(data).message)

    def _token(self) -> str:
        if self._launch:
            return self._launch.token or ""
        host = urlsplit(self._provider.server_url).hostname or ""
        if _is_this_machine(host):
            return places.local_token()
        # this machine's token is no business of another machine
        return places.given_token()

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _leave(self) -> None:
        self.transport.lost.set()
        await self._calls.end(0)
        await ended(*self._tasks)
        await self.transport.close()


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

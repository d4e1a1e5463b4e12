"""The namespace `/providers`: connections and events of `gz/1` in, and what follows from them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

from gleitzeit_extensions.protocol import PROVIDERS, CallError, Wire
from gleitzeitd.core.spec import Check, CheckKind, Spec
from gleitzeitd.hub.access.admission import Admission, Visitor
from gleitzeitd.hub.access.tokens import Grant
from gleitzeitd.hub.calls import Stream
from gleitzeitd.hub.health import Health
from gleitzeitd.hub.patience import Limits, Patience
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.registry import Registry

log = structlog.get_logger("gleitzeitd")
LONGEST_REASON = 200
"""Characters that are kept of why a provider says that it is not ready."""
FRAMING = len(f'2{PROVIDERS},["chunk",]')
"""Bytes of the packet of a chunk that are not its payload."""


NO_ANSWER = CallError(
    "protocol", "the acknowledgement of an invoke must be {ok: true, result} or {ok: false, error}"
).wire()


@dataclass(frozen=True, slots=True)
class Watched:
    """A provider that is asked how it is, and what ends the asking."""

    check: Check
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Providers:
    def __init__(
        self,
        registry: Registry,
        admission: Admission,
        tasks: TaskGroup,
        emit: Callable[..., Coroutine[Any, Any, None]],
        disconnect: Callable[[str], Coroutine[Any, Any, None]],
        size: Callable[[], int],
        limits: Limits,
    ) -> None:
        """`disconnect(sid)` and `emit(sid, event, data, number)` are of this namespace; with a number, the
        event is to be acknowledged. `size()` is that of the packet that is being handled."""
        self.health = Health(registry)
        self._size = size
        self._patience = Patience(limits, self._stuck)
        self._registry = registry
        self._admission = admission
        self._tasks = tasks
        self._emit = emit
        self._disconnect = disconnect
        self._visitors: dict[str, Visitor] = {}
        self._watches: dict[str, Watched] = {}

    def handlers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What takes each event."""
        events = {event: partial(self._take, take) for event, take in self._events().items()}
        return {
            "connect": self._connect,
            "disconnect": self._disconnected,
            "register": self._register,
            **events,
        }

    def _events(self) -> dict[str, Callable[[Registration, Wire], None]]:
        registry = self._registry
        return {
            "result": self._result,
            "chunk": self._chunk,
            "end": self._end,
            "lingers": self._lingers,
            "update": registry.update,
            "ready": lambda registration, _: registry.set_ready(registration, True),
            "not_ready": lambda registration, data: registry.set_ready(registration, False, _reason(data)),
            "health": self.health.answer,
            "bye": lambda registration, _: self._left(registration.sid, on_purpose=True),
        }

    # What the daemon wants.
    def know(self, spec: Spec) -> None:
        """A provider, new or as it is wanted from now on."""
        for external in self._registry.know(spec):
            log.warning("external provider sent away", name=spec.name, reason="the config file has one now")
            self._send_away(external)
        for registration in self._registry.registrations(spec.name):
            self._watch_anew(registration)

    def hang_up(self, grant: Grant) -> None:
        """Close every connection that was made with its token."""
        for sid in [sid for sid, visitor in self._visitors.items() if visitor.grant == grant]:
            del self._visitors[sid]
            self._tasks.start_soon(self._disconnect, sid)

    def close(self) -> None:
        """What ends later has no connection that could be closed."""
        self._visitors.clear()

    # Connections.
    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: object = None) -> None:
        self._visitors[sid] = self._admission.provider(environ, auth)

    async def _disconnected(self, sid: str, *_: object) -> None:
        self._visitors.pop(sid, None)
        self._left(sid)

    def _left(self, sid: str, *, on_purpose: bool = False) -> None:
        if watched := self._watches.pop(sid, None):
            watched.scope.cancel()
        registration = self._registry.registration(sid)
        self._registry.disconnected(sid, on_purpose=on_purpose)
        if registration is None:
            return
        self.health.forget(registration)
        if registration.is_external:
            log.info("external provider left", name=registration.name)

    async def _register(self, sid: str, data: object = None, *_: object) -> Wire:
        visitor = self._visitors.get(sid)
        if visitor is None:
            return {"ok": False, "error": CallError("protocol", "this connection has ended").wire()}
        try:
            offer = self._registry.offer(sid, visitor.grant, data)
        except CallError as exc:
            log.warning("registration refused", by=visitor.grant.who, reason=exc.message)
            return {"ok": False, "error": exc.wire()}
        self._replace(visitor.grant, but=sid)
        emit = partial(self._emit_for_reply if offer.reply == "ack" else self._emit, sid)
        answer = self._registry.register(sid, visitor.grant, visitor.origin, offer, emit)
        registration = self._registry.registration(sid)
        assert registration is not None
        self._watch_anew(registration)
        if registration.is_external:
            log.info("external provider registered", name=registration.name)
        return dict(answer)

    def _replace(self, grant: Grant, *, but: str) -> None:
        """A newer connection of one generation takes the place of the older."""
        for older in self._registry.of(grant):
            if older.sid != but:
                self._send_away(older)

    def _send_away(self, registration: Registration) -> None:
        self._left(registration.sid)
        self._tasks.start_soon(self._disconnect, registration.sid)

    # Health.
    def _check(self, registration: Registration) -> Check | None:
        """How the provider is asked how it is; None when it is not."""
        spec = self._registry.spec_of(registration.grant)
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

    # Events.
    async def _take(
        self, take: Callable[[Registration, Wire], None], sid: str, data: object = None, *_: object
    ) -> None:
        registration = self._registry.registration(sid)
        try:
            if registration is None:
                raise CallError("protocol", "register first")
            if not isinstance(data, dict | None):
                raise CallError("protocol", "the payload of every event is a mapping")
            take(registration, data or {})
        except CallError as exc:
            await self._emit(sid, "error", exc.wire())

    def _result(self, registration: Registration, data: Wire) -> None:
        if registration.result(data):
            self._registry.answered(registration)

    def acknowledged(self, sid: str, number: int, data: list[Any]) -> None:
        """The answer of a provider that said `reply: ack`: our calls' ids are its numbers."""
        registration = self._registry.registration(sid)
        if registration is not None and registration.offer.reply == "ack":
            answer = data[0] if data and isinstance(data[0], dict) else {"error": NO_ANSWER}
            self._result(registration, {**answer, "id": str(number)})

    async def _emit_for_reply(self, sid: str, event: str, data: Wire) -> None:
        is_plain_call = event == "invoke" and not data["stream"]
        await self._emit(sid, event, data, int(data["id"]) if is_plain_call else None)

    def _chunk(self, registration: Registration, data: Wire) -> None:
        call = registration.calls.get(str(data.get("id")))
        # An answer to what was given up long ago is no mistake of the provider's.
        if not isinstance(call, Stream):
            return
        if call.grant is None:
            call.grant = partial(self._grant, registration, call.id)
        try:
            call.chunk(data, self._size() - FRAMING)
        except CallError as exc:
            call.fail(exc)
            self.post(registration, "cancel", {"id": call.id, "reason": "protocol"})

    def _grant(self, registration: Registration, number: str, credits: int) -> None:
        self.post(registration, "credit", {"id": number, "n": credits})

    def _lingers(self, registration: Registration, data: Wire) -> None:
        if call := registration.calls.get(str(data.get("id"))):
            call.lingers = True

    def _stuck(self, registration: Registration, reason: str) -> None:
        grant = registration.grant
        log.warning("provider does not end cancelled calls", name=registration.instance, reason=reason)
        if grant.instance is not None:
            self._registry.facts.stuck(grant.instance, grant.generation, reason)
        elif self._registry.registration(registration.sid):
            self._send_away(registration)

    def _end(self, registration: Registration, data: Wire) -> None:
        if registration.end(data):
            self._registry.answered(registration)

    def post(self, registration: Registration, event: str, data: Any) -> None:
        """Send without waiting, even from a task that is being cancelled."""
        if event == "cancel":
            self._patience.told(registration, data["id"])
        self._tasks.start_soon(registration.emit, event, data)


def _reason(data: Wire) -> str:
    """Why it is not ready, in one line of a length that everything has room for."""
    reason = data.get("reason")
    return " ".join(reason.split())[:LONGEST_REASON] if isinstance(reason, str) else ""

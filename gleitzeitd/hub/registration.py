"""A connected provider: what it offers, which calls are with it, and how it is spoken to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.calls import Call, Stream
from gleitzeitd.hub.tokens import Grant

Emit = Callable[[str, Any], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider says that it can do."""

    name: str
    type: str = "unknown"
    description: str = ""
    models: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    methods: tuple[dict[str, Any], ...] = ()
    closed: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ready: bool = True
    """Whether it may be called as soon as it is registered."""

    @classmethod
    def read(cls, data: object) -> Offer:
        """Raises CallError `invalid_request` with what is wrong."""
        if not isinstance(data, dict) or not isinstance(data.get("name"), str) or not data["name"]:
            raise CallError("invalid_request", "`register` needs a `name`")
        ready = _checked("ready", data.get("ready", True), bool)
        return replace(cls(data["name"]).updated(data), closed=data.get("closed") is True, ready=ready)

    def updated(self, data: object) -> Offer:
        """The offer with the fields of `data` that an offer has. Raises CallError."""
        if not isinstance(data, dict):
            raise CallError("invalid_request", "an offer is a mapping")
        known: dict[str, Any] = {}
        for key in ("type", "description"):
            if key in data:
                known[key] = _checked(key, data[key], str)
        for key in ("models", "capabilities"):
            if key in data:
                known[key] = tuple(_checked(key, item, str) for item in _checked(key, data[key], list))
        if "methods" in data:
            methods = tuple(
                _checked("methods", item, dict) for item in _checked("methods", data["methods"], list)
            )
            for method in methods:
                _checked("methods: name", method.get("name"), str)
            known["methods"] = methods
        if "metadata" in data:
            known["metadata"] = _checked("metadata", data["metadata"], dict)
        return replace(self, **known)

    @property
    def method_names(self) -> tuple[str, ...]:
        return tuple(str(method["name"]) for method in self.methods)


def _checked(key: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise CallError("invalid_request", f"`{key}` must be {kind.__name__}, not {type(value).__name__}")
    return value


class Registration:
    """One connection of one provider. Only the hub writes here."""

    def __init__(self, sid: str, offer: Offer, grant: Grant, pid: int | None, slots: int, emit: Emit) -> None:
        self.sid = sid
        self.offer = offer
        self.grant = grant
        self.pid = pid
        self.slots = slots
        self.emit = emit
        self.ready = offer.ready
        self.draining = False
        self.degraded = False
        self.fit = True
        self.health: Mapping[str, Any] | None = None
        self.since = asyncio.get_running_loop().time()
        self.calls: dict[str, Call] = {}

    @property
    def name(self) -> str:
        return self.offer.name

    @property
    def instance(self) -> str:
        """The name of the one process that it is the connection of."""
        return self.grant.instance or self.offer.name

    @property
    def is_external(self) -> bool:
        return self.grant.instance is None

    @property
    def is_ready(self) -> bool:
        """Whether it is to be called at all, by its own word, its health and its ready check."""
        return self.ready and not self.degraded and self.fit

    @property
    def has_room(self) -> bool:
        """Whether it may be given one more call."""
        return self.is_ready and not self.draining and len(self.calls) < self.slots

    def result(self, data: Mapping[str, Any]) -> bool:
        """Take a `result`; True when a slot became free."""
        call = self.calls.pop(str(data.get("id")), None)
        if call is not None:
            call.result(data)
        # An answer to what was given up long ago is no mistake of the provider's.
        return call is not None

    def chunk(self, data: Mapping[str, Any]) -> Stream | None:
        """Take a `chunk`; the stream it belongs to, when that broke the protocol and is to be cancelled."""
        call = self.calls.get(str(data.get("id")))
        if isinstance(call, Stream):
            try:
                call.chunk(data)
            except CallError as exc:
                call.fail(exc)
                return call
        return None

    def end(self, data: Mapping[str, Any]) -> bool:
        """Take an `end`; True when a slot became free."""
        call = self.calls.pop(str(data.get("id")), None)
        if call is not None:
            call.end(data)
        return call is not None

    def fail_all(self, error: CallError) -> None:
        for call in self.calls.values():
            call.fail(error)
        self.calls.clear()

"""What a provider says that it can do, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gleitzeit_extensions.protocol import CallError

LONGEST_NAME = 200
MOST = 10_000
"""Models, capabilities or methods that one registration may bring."""
REPLIES = ("event", "ack")
METHOD_FIELDS: Mapping[str, type] = {
    "description": str,
    "parameters": dict,
    "returns": dict,
    "stream": bool,
    "idempotent": bool,
}
"""What may be told of a method beside its name; `parameters` and `returns` are JSON Schemas."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider says that it can do."""

    name: str
    type: str = "unknown"
    description: str = ""
    models: tuple[str, ...] = ()
    """Names, and patterns with `*`."""
    capabilities: tuple[str, ...] = ()
    methods: tuple[dict[str, Any], ...] = ()
    closed: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ready: bool = True
    """Whether it may be called as soon as it is registered."""
    reply: str = "event"
    """How it answers a plain call: with an event, or `ack`, by acknowledging the event `invoke`."""
    method_names: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    """The methods that it says are idempotent."""

    def may_have(self, method: str) -> bool:
        """Whether it has the method, or did not say that it has no others than those it named."""
        return not self.closed or method in self.method_names

    @classmethod
    def read(cls, data: object) -> Offer:
        """Raises CallError `invalid_request` with what is wrong."""
        if not isinstance(data, dict) or not isinstance(data.get("name"), str) or not data["name"]:
            raise CallError("invalid_request", "`register` needs a `name`")
        ready = _checked("ready", data.get("ready", True), bool)
        reply = data.get("reply", "event")
        if reply not in REPLIES:
            raise CallError("invalid_request", '`reply` must be "event" or "ack"')
        offer = cls(data["name"], closed=data.get("closed") is True, ready=ready, reply=reply)
        return offer.updated(data)

    def updated(self, data: object) -> Offer:
        """The offer with the fields of `data` that an offer has. Raises CallError."""
        if not isinstance(data, dict):
            raise CallError("invalid_request", "an offer is a mapping")
        known: dict[str, Any] = {}
        if "type" in data:
            known["type"] = _name("type", data["type"])
        if "description" in data:
            known["description"] = _checked("description", data["description"], str)
        for key in ("models", "capabilities"):
            if key in data:
                known[key] = tuple(dict.fromkeys(_name(key, item) for item in _few(key, data[key])))
        if "methods" in data:
            methods = tuple(_method(item) for item in _few("methods", data["methods"]))
            known["methods"] = methods
            known["method_names"] = frozenset(method["name"] for method in methods)
            known["repeatable"] = frozenset(m["name"] for m in methods if m.get("idempotent"))
        if "metadata" in data:
            known["metadata"] = _checked("metadata", data["metadata"], dict)
        return replace(self, **known)


def _method(entry: Any) -> dict[str, Any]:
    method: dict[str, Any] = _checked("methods", entry, dict)
    _name("methods: name", method.get("name"))
    for key, kind in METHOD_FIELDS.items():
        # What is not known may be left out or null.
        if method.get(key) is not None:
            _checked(f"methods: {key}", method[key], kind)
    return method


def _few(key: str, value: Any) -> list[Any]:
    items: list[Any] = _checked(key, value, list)
    if len(items) > MOST:
        raise CallError("invalid_request", f"`{key}` has {len(items):,} entries, more than {MOST:,}")
    return items


def _name(key: str, value: Any) -> str:
    name: str = _checked(key, value, str)
    if not 0 < len(name) <= LONGEST_NAME:
        raise CallError("invalid_request", f"`{key}` must have 1 to {LONGEST_NAME} characters")
    return name


def _checked(key: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise CallError("invalid_request", f"`{key}` must be {kind.__name__}, not {type(value).__name__}")
    return value

"""What a program asks for, as the bytes of a request."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode

from gleitzeit_extensions.client.errors import InvalidRequest, TooLarge
from gleitzeit_extensions.protocol import MAX_FRAME


class Provider(str):
    """The name of a provider, and of nothing else; or of one of its instances as `calculator#2`."""

    __slots__ = ()


class Model(str):
    """The name of a model, and of nothing else."""

    __slots__ = ()


class Capability(str):
    """The name of a capability, and of nothing else."""

    __slots__ = ()


GRACE = 5.0
"""Seconds that the daemon has beyond a call's own time to say that it passed."""
LOOK_UP = 30.0
"""Seconds within which a daemon that is well answers what is no call."""
SILENCE = 30.0
"""Seconds without a byte after which a daemon that may take long is asked whether it is there at all."""
FIELDS: dict[type, str] = {Provider: "provider", Model: "model", Capability: "capability"}


@dataclass(frozen=True, slots=True)
class Options:
    """How calls are made, beside what they say."""

    timeout: float | None = None
    idempotent: bool = False
    key: str = ""
    session: str = ""

    def fields(self) -> dict[str, Any]:
        """Those that were given, as they are sent."""
        given = {
            "timeout": self.timeout,
            "idempotent": self.idempotent or None,
            "key": self.key or None,
            "session": self.session or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    @property
    def patience(self) -> float | None:
        """Seconds that the daemon has for its answer; None means as long as it lives."""
        return None if self.timeout is None else self.timeout + GRACE


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, and what may be done until it is answered."""

    method: str
    target: str
    body: bytes | None = None
    patience: float | None = None
    """Seconds for the whole of its answer; None means as long as the daemon lives."""
    is_repeatable: bool = True
    """Whether it does no harm to send it again when nobody knows what became of it."""

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.body is None else {"Content-Type": "application/json"}


class Optioned:
    """A client whose calls are made with options."""

    _options = Options()

    def with_options(
        self,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        key: str = "",
        session: str = "",
    ) -> Self:
        """The same client, whose calls are made so; it shares the connections.

        `timeout`: seconds; else the provider's own. `idempotent`: it may be repeated when its provider dies.
        `key`: it is done once, however often it is asked for with this key. `session`: what should stay with
        one instance where the provider's strategy is `sticky`. Raises InvalidRequest for a time that is none.
        """
        if timeout is not None and not _is_time(timeout):
            raise _misuse(f"timeout takes seconds as a number above 0, not {timeout!r:.50}")
        other = copy.copy(self)
        other._options = Options(timeout, idempotent, key, session)
        return other

    def _call(
        self, path: str, target: str, method: str, args: Mapping[str, Any] | None, more: Mapping[str, Any]
    ) -> Request:
        """A call. Raises InvalidRequest for arguments that cannot be sent."""
        options = self._options
        body = self._body(target, method, args, more)
        return Request("POST", path, body, options.patience, options.idempotent or options.key != "")

    def _body(
        self, target: str, method: str, args: Mapping[str, Any] | None, more: Mapping[str, Any]
    ) -> bytes:
        field, name = _named(target)
        if not _is_name(method):
            raise _misuse(f'a call of "{name}" needs the name of a method')
        if args is not None and not isinstance(args, Mapping):
            raise _misuse(f'"{name}" {method} takes its arguments by name, not as a {type(args).__name__}')
        asked = {field: name, "method": method, "args": {**(args or {}), **more}, **self._options.fields()}
        try:
            sent = json.dumps(asked, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as exc:
            raise _misuse(f'the arguments for "{name}" {method} cannot be sent as JSON: {exc}') from exc
        if len(sent) > MAX_FRAME:
            size = f"{len(sent):,} bytes of JSON, more than the {MAX_FRAME:,} that one message may have"
            raise TooLarge("too_large", f'the call of "{name}" {method} is {size}')
        return sent

    def _route(self, target: str) -> Request:
        """What explains where a call would go."""
        field, name = _named(target)
        session = {"session": self._options.session} if self._options.session else {}
        return look(f"/v1/route?{urlencode({field: name, **session})}")


def look(target: str) -> Request:
    """What a daemon that is well answers soon."""
    return Request("GET", target, None, LOOK_UP)


def health_of(name: str) -> Request:
    """What asks a provider how it is."""
    return look(f"/v1/providers/{quote(name, safe='')}/health")


def _is_name(text: object) -> bool:
    return isinstance(text, str) and text != ""


def _is_time(seconds: object) -> bool:
    return isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0


def _misuse(sentence: str) -> InvalidRequest:
    return InvalidRequest("invalid_request", sentence)


def _named(target: str) -> tuple[str, str]:
    """How a target's name is sent: the field, and the name itself."""
    if not isinstance(target, str):
        raise _misuse(f"a call needs the name of whom to call, not {target!r:.50}")
    return FIELDS.get(type(target), "target"), str(target)

"""The control API as a command sees it: ask, and get JSON, or an error that can be shown as one line.

`docs/control-api.md` is the contract. The bytes are wire.py's; what is said of a daemon that does
not answer well is unwell.py's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.complaint import INTERRUPTED, Complaint, misuse, skew
from gleitzeitctl.unwell import complaint, too_late
from gleitzeitctl.wire import NotHttp, Wire, lines

PATIENCE = 10.0
"""Seconds within which a daemon that is well answers what it can answer by itself."""

SILENCE = 10.0
"""Seconds without a byte after which a daemon that may take long is asked whether it is there at all."""

GRACE = 5.0
"""Seconds that the daemon has beyond a deadline that it was given to say that it passed."""

SHOW_EVERY = 1.0
"""Seconds after which somebody who waits is shown anew what for."""

GOES_ON = 'the daemon goes on with what it has begun: see "gleitzeitctl status"'
Query = Sequence[tuple[str, str | int]]


class Client:
    """Asks the daemon whose control socket is at `path`.

    `patience` is how many seconds an answer may take; None means as long as the daemon lives.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.server = ""
        """What the daemon said that it is, such as `gleitzeitd/0.1.0`."""

    def get(self, target: str, query: Query = (), patience: float | None = PATIENCE) -> Any:
        return self._whole("GET", _with(target, query), b"", patience)

    def post(self, target: str, body: dict[str, Any], patience: float | None = PATIENCE) -> Any:
        return self._whole("POST", target, json.dumps(body).encode(), patience)

    def delete(self, target: str, patience: float | None = PATIENCE) -> Any:
        return self._whole("DELETE", target, b"", patience)

    def wait(
        self, target: str, body: dict[str, Any], timeout: float, show: Callable[[], None] | None = None
    ) -> Any:
        """The answer to a POST that the daemon gives as soon as something is so, or after `timeout` seconds.

        `show` is called each second meanwhile, and asks the daemon something. Without it, the daemon is asked
        now and then whether it is there: one that hangs is not waited for until the end.
        """
        patience = timeout + GRACE
        latest = time.monotonic() + patience

        def meanwhile() -> None:
            if time.monotonic() >= latest:
                raise too_late(self.path, patience)
            (show or self._check)()

        every = min(SHOW_EVERY if show else SILENCE, patience)
        sent = json.dumps(body).encode()
        with self._answer("POST", target, sent, PATIENCE, meanwhile, every, goes_on=True) as pieces:
            return self._read(b"".join(pieces))

    def follow(self, target: str, query: Query = (), body: dict[str, Any] | None = None) -> Iterator[Any]:
        """The values of an NDJSON answer, each as soon as it has come."""
        method, sent = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
        with self._answer(method, _with(target, query), sent, PATIENCE, self._check, SILENCE) as pieces:
            for line in lines(pieces):
                yield self._read(line)

    def _whole(self, method: str, target: str, body: bytes, patience: float | None) -> Any:
        waits = (PATIENCE, self._check, SILENCE) if patience is None else (patience,)
        with self._answer(method, target, body, *waits) as pieces:
            return self._read(b"".join(pieces))

    @contextmanager
    def _answer(
        self,
        method: str,
        target: str,
        body: bytes,
        patience: float,
        on_silence: Callable[[], None] | None = None,
        every: float = 0.0,
        *,
        goes_on: bool = False,
    ) -> Iterator[Iterator[bytes]]:
        """See Wire; `goes_on`: the daemon does what it was asked for though nobody waits."""
        wire = None
        try:
            with Wire(self.path, patience, on_silence, every) as wire:
                status, pieces = wire.ask(method, target, body)
                self.server = wire.server
                if status >= 400:
                    raise self._error(f"{status} to {method} {target}", status, b"".join(pieces))
                yield pieces
        except KeyboardInterrupt as exc:
            if goes_on and wire is not None and wire.is_sent:
                raise Complaint(GOES_ON, INTERRUPTED, "interrupted") from exc
            raise
        except (OSError, EOFError, ValueError, NotHttp) as exc:
            raise complaint(exc, self.path, wire, patience) from exc

    def _check(self) -> None:
        """Is the daemon still there and answering? A call may take long, a daemon that hangs must not."""
        with Wire(self.path, PATIENCE) as wire:
            wire.ask("GET", "/livez")

    def _read(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError as exc:
            raise NotHttp from exc

    def _error(self, what: str, status: int, text: bytes) -> Exception:
        try:
            error = CallError.read(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            said = text[:200].decode(errors="replace").strip()
            error = CallError("protocol", f"the daemon at {self.path} answered {what}: {said}")
        is_unknown = status in (404, 405) and error.code in ("invalid_request", "protocol")
        if is_unknown and (why := skew(self.server)):
            return CallError(error.code, f"{error.message}: {why}", error.detail)
        return error


def _with(target: str, query: Query) -> str:
    return f"{target}?{urlencode(query, errors='surrogateescape')}" if query else target


def provider(name: str, what: str) -> str:
    """The address of something about the provider `name`."""
    if not name:
        raise misuse("a provider's name is missing")
    return f"/v1/providers/{quote(name, safe='', errors='surrogateescape')}/{what}"

"""The control API as a command sees it: ask, and get JSON, or an error that can be shown as one line.

`docs/control-api.md` is the contract. The bytes are wire.py's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from gleitzeit_extensions.protocol import CODES, CallError
from gleitzeitctl.complaint import UNREACHABLE, Complaint, misuse
from gleitzeitctl.wire import NotHttp, Wire, lines

PATIENCE = 10.0
"""Seconds within which a daemon that is well answers what it can answer by itself."""

SILENCE = 10.0
"""Seconds without a byte after which a daemon that may take long is asked whether it is there at all."""

LOOK = 'look into its log, such as "journalctl -u gleitzeitd"'
START_IT = 'start it with "gleitzeit serve" or "systemctl start gleitzeitd"'
Query = Sequence[tuple[str, str | int]]


class Client:
    """Asks the daemon whose control socket is at `path`.

    `patience` is how many seconds an answer may take; None means as long as the daemon lives.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def get(self, target: str, query: Query = (), patience: float | None = PATIENCE) -> Any:
        return self._whole("GET", _with(target, query), b"", patience)

    def post(self, target: str, body: dict[str, Any], patience: float | None = PATIENCE) -> Any:
        return self._whole("POST", target, json.dumps(body).encode(), patience)

    def delete(self, target: str) -> Any:
        return self._whole("DELETE", target, b"", PATIENCE)

    def follow(self, target: str, query: Query = (), body: dict[str, Any] | None = None) -> Iterator[Any]:
        """The values of an NDJSON answer, each as soon as it has come."""
        request = ("GET", b"") if body is None else ("POST", json.dumps(body).encode())
        with self._answer(request[0], _with(target, query), request[1], None) as pieces:
            for line in lines(pieces):
                yield self._read(line)

    def _whole(self, method: str, target: str, body: bytes, patience: float | None) -> Any:
        with self._answer(method, target, body, patience) as pieces:
            return self._read(b"".join(pieces))

    @contextmanager
    def _answer(
        self, method: str, target: str, body: bytes, patience: float | None
    ) -> Iterator[Iterator[bytes]]:
        on_silence = self._check if patience is None else None
        try:
            with Wire(self.path, patience or SILENCE, on_silence) as wire:
                status, pieces = wire.ask(method, target, body)
                if status >= 400:
                    raise self._error(f"{status} to {method} {target}", b"".join(pieces))
                yield pieces
        except (OSError, EOFError, ValueError, NotHttp) as exc:
            raise self._complaint(exc, patience or PATIENCE) from exc

    def _check(self) -> None:
        """Is the daemon still there and answering? A call may take long, a daemon that hangs must not."""
        with Wire(self.path, PATIENCE) as wire:
            wire.ask("GET", "/livez")

    def _read(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except ValueError as exc:
            raise NotHttp from exc

    def _error(self, what: str, text: bytes) -> Exception:
        try:
            return CallError.read(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError):
            said = text[:200].decode(errors="replace").strip()
            return CallError("protocol", f"the daemon at {self.path} answered {what}: {said}")

    def _complaint(self, exc: Exception, patience: float) -> Complaint:
        match exc:
            case FileNotFoundError() | ConnectionRefusedError():
                return self._unreachable(f"nobody listens there: {START_IT}")
            case PermissionError():
                join = 'join the group "gleitzeit" or ask as root or as the daemon\'s user'
                return Complaint(
                    f"may not use the daemon at {self.path}: {join}", CODES["forbidden"].exit, "forbidden"
                )
            case TimeoutError():
                sentence = f"the daemon at {self.path} did not answer within {patience:g} s: {LOOK}"
                return Complaint(sentence, CODES["deadline_exceeded"].exit, "deadline_exceeded")
            case EOFError() | ConnectionError():
                return self._unreachable(f"it closed the connection before it had answered: {LOOK}")
            case NotHttp():
                return self._unreachable(
                    "what answers there does not speak the control API: is it another program's socket?"
                )
            case OSError(strerror=str(reason)):
                return self._unreachable(reason)
        return misuse(str(exc))

    def _unreachable(self, why: str) -> Complaint:
        return Complaint(f"cannot reach the daemon at {self.path}: {why}", UNREACHABLE, "unreachable")


def _with(target: str, query: Query) -> str:
    return f"{target}?{urlencode(query, errors='surrogateescape')}" if query else target


def provider(name: str, what: str) -> str:
    """The address of something about the provider `name`."""
    if not name:
        raise misuse("a provider's name is missing")
    return f"/v1/providers/{quote(name, safe='', errors='surrogateescape')}/{what}"

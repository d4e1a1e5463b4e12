"""One request to the daemon that never waits: what has come of the answer is taken when there is some.

`wire.py` waits for whoever has nothing else to do; here somebody sits at the keys meanwhile.
"""

from __future__ import annotations

import json
from typing import Any

from gleitzeit_extensions.places import connect
from gleitzeit_extensions.protocol import CallError

LET_IN = 0.25
"""Seconds that a connection may take: only one that hangs lets nobody in."""
LONGEST = 32 * 1024 * 1024
"""Bytes of an answer that are held."""


class LostError(Exception):
    """The answer ended before it was whole, or is none."""


class Exchange:
    """A request and its answer: JSON lines, or one JSON text, which is a single line."""

    def __init__(self, path: str, target: str, body: dict[str, Any] | None = None) -> None:
        """A GET, or a POST of `body`. Raises OSError and ValueError when nobody can be asked."""
        self._stream = connect(path, LET_IN)
        self._received = bytearray()
        self._text = bytearray()
        self._status = 0
        self._left: int | None = None
        self.is_over = False
        try:
            self._stream.sendall(_request(target, body))
            self._stream.setblocking(False)
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()

    def take(self) -> list[Any]:
        """The values that have come. Raises LostError; CallError for what the daemon refuses."""
        try:
            piece = self._stream.recv(256 * 1024)
        except BlockingIOError:
            return []
        except OSError as exc:
            raise LostError("it closed the connection") from exc
        if not piece:
            raise LostError("it closed the connection")
        self._received += piece
        if len(self._received) > LONGEST or len(self._text) > LONGEST:
            raise LostError("its answer has no end")
        try:
            return self._read()
        except (ValueError, KeyError, TypeError) as exc:
            raise LostError("what it answers is not the control API") from exc

    def _read(self) -> list[Any]:
        if not self._status and not self._head():
            return []
        self._body()
        *lines, rest = self._text.split(b"\n")
        self._text = bytearray() if self.is_over else rest
        values = [json.loads(line) for line in [*lines, *([rest] if self.is_over else [])] if line]
        if self._status >= 400:
            if not self.is_over:
                return []
            raise CallError.read(values[0]["error"])
        return values

    def _head(self) -> bool:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return False
        first, *lines = bytes(head).lower().split(b"\r\n")
        headers = {name.strip(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if headers.get(b"transfer-encoding") != b"chunked":
            self._left = int(headers[b"content-length"])
        self._status, self._received = int(first.split()[1]), rest
        return True

    def _body(self) -> None:
        if self._left is not None:
            self._text += self._received[: self._left]
            self._left -= len(self._received[: self._left])
            self._received.clear()
            self.is_over = self._left == 0
            return
        while (end := self._received.find(b"\r\n")) >= 0:
            size = int(self._received[:end].partition(b";")[0], 16)
            if len(self._received) < end + 4 + size:
                return
            self._text += self._received[end + 2 : end + 2 + size]
            del self._received[: end + 4 + size]
            if size == 0:
                self.is_over = True


def _request(target: str, body: dict[str, Any] | None) -> bytes:
    common = "Host: gleitzeitd\r\nConnection: close\r\n"
    if body is None:
        return f"GET {target} HTTP/1.1\r\n{common}\r\n".encode()
    text = json.dumps(body).encode()
    kind = f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return f"POST {target} HTTP/1.1\r\n{common}{kind}\r\n".encode() + text

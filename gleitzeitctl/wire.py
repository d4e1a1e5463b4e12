"""HTTP/1.1 over a Unix socket, as much as one request needs: http.client alone would cost 10 ms.

Owns bytes, framing and deadlines. What the bytes mean, and what a person is told without them, is client.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from socket import socket

from gleitzeit_extensions.places import connect

LONGEST_LINE = 64 * 1024
RETRY = 0.02


class NotHttp(Exception):
    """What came is not an HTTP answer."""


class Wire:
    """One connection, one request, one answer.

    The whole answer must come within `patience` seconds. With `on_silence` it may take as long as it likes:
    after each `every` seconds without a byte `on_silence` is called, and raises if waiting is in vain.
    """

    def __init__(
        self, path: str, patience: float, on_silence: Callable[[], None] | None = None, every: float = 0.0
    ) -> None:
        self.on_silence, self.every = on_silence, every
        self.deadline = time.monotonic() + patience
        self.received = bytearray()
        self.is_sent = self.is_answered = False
        self.server = ""
        """What the daemon says that it is, such as `gleitzeitd/0.1.0`."""
        self.stream = self._connect(path)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def ask(self, method: str, target: str, body: bytes = b"") -> tuple[int, Iterator[bytes]]:
        """Send the request; the status of the answer, and its body piece by piece."""
        head = f"{method} {target} HTTP/1.1\r\nHost: gleitzeitd\r\nConnection: close\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        # from now on the daemon may have it
        self.is_sent = True
        # a daemon that refuses a request may answer and close before it has read all of it: the answer counts
        with suppress(BrokenPipeError, ConnectionResetError):
            self.stream.sendall(f"{head}\r\n".encode() + body)
        status, headers = self._status(), dict(self._headers())
        self.server = headers.get(b"server", b"").decode("latin-1")
        return status, self._body(headers)

    def _status(self) -> int:
        version, _, rest = self._line().partition(b" ")
        if not version.startswith(b"HTTP/1."):
            raise NotHttp
        self.is_answered = True
        return _number(rest[:3], 10)

    def _headers(self) -> Iterator[tuple[bytes, bytes]]:
        while line := self._line():
            name, _, value = line.partition(b":")
            yield name.strip().lower(), value.strip().lower()

    def _body(self, headers: dict[bytes, bytes]) -> Iterator[bytes]:
        if headers.get(b"transfer-encoding") == b"chunked":
            while size := _number(self._line().partition(b";")[0], 16):
                yield self._take(size)
                self._line()
        elif length := headers.get(b"content-length"):
            yield self._take(_number(length, 10))
        else:
            with suppress(EOFError):
                while True:
                    yield self._take(len(self.received) or 1)

    def _line(self) -> bytes:
        while (end := self.received.find(b"\n")) < 0:
            if len(self.received) > LONGEST_LINE:
                raise NotHttp
            self._more()
        return self._take(end + 1).rstrip(b"\r\n")

    def _take(self, size: int) -> bytes:
        while len(self.received) < size:
            self._more()
        taken = bytes(self.received[:size])
        del self.received[:size]
        return taken

    def _more(self) -> None:
        if self.on_silence:
            self.deadline = time.monotonic() + self.every
        try:
            self.stream.settimeout(self._left())
            piece = self.stream.recv(64 * 1024)
        except TimeoutError:
            if not self.on_silence:
                raise
            return self.on_silence()
        if not piece:
            raise EOFError
        self.received += piece

    def _connect(self, path: str) -> socket:
        while True:
            try:
                return connect(path, self._left())
            except BlockingIOError:  # so many wait to be let in that not even the queue has room
                time.sleep(RETRY)

    def _left(self) -> float:
        if (left := self.deadline - time.monotonic()) <= 0:
            raise TimeoutError
        return left


def lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The lines in a body, each as soon as it has come."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from filter(None, whole)
    if rest:
        yield rest


def _number(digits: bytes, base: int) -> int:
    try:
        number = int(digits, base)
    except ValueError as exc:
        raise NotHttp from exc
    if number < 0:
        raise NotHttp
    return number

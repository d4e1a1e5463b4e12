"""How long a synchronous call is waited for: to its deadline, or as long as the daemon lives."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from http.client import HTTPResponse
from socket import socket
from typing import Any

from gleitzeit_extensions.client import request


class Limit:
    """All of an answer comes within `patience` seconds.

    None is no limit: `check` is called whenever it was silent, and raises if waiting is in vain.
    """

    def __init__(self, patience: float | None, check: Callable[[], None]) -> None:
        self._deadline = None if patience is None else time.monotonic() + patience
        self._check = check

    def left(self) -> float:
        """Seconds for the next step. Raises TimeoutError."""
        if self._deadline is None:
            return request.SILENCE
        if (left := self._deadline - time.monotonic()) <= 0:
            raise TimeoutError
        return left

    def receive(self, stream: socket, buffer: Any) -> int:
        """Bytes that were put into `buffer`; 0 at the end. Raises OSError, and what `check` raises."""
        while True:
            stream.settimeout(self.left())
            try:
                return stream.recv_into(buffer)
            except TimeoutError:
                if self._deadline is None:
                    self._check()


class TimedResponse(HTTPResponse):
    """An answer that is read within a limit."""

    def __init__(self, limit: Limit, stream: socket, **how: Any) -> None:
        super().__init__(stream, **how)
        self.fp = io.BufferedReader(_Reader(limit, stream, self.fp))


class _Reader(io.RawIOBase):
    def __init__(self, limit: Limit, stream: socket, held: io.BufferedReader) -> None:
        self._limit, self._stream = limit, stream
        # The socket of a connection that is given up stays open until this is closed.
        self._held = held

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._limit.receive(self._stream, buffer)

    def close(self) -> None:
        self._held.close()
        super().close()

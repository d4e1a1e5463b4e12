"""Looks up the addresses of names for the checks, so that a name server that stalls holds up nobody else.

A look-up cannot be cancelled: its thread stays until the C library gives up. So each host and port has one
thread at most, which everybody who asks for them shares, and a daemon thread, which nobody waits for at the
end. The loop's own executor would fill up with stalled look-ups, and would have the daemon wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import threading
from typing import Any

Address = tuple[int, int, int, str, Any]
"""As getaddrinfo(3) gives it: family, type, protocol, canonical name, address."""


class Lookup:
    def __init__(self) -> None:
        # Bounded by the number of places that the config names.
        self._asked: dict[tuple[str, int], asyncio.Future[list[Address] | OSError]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Where to connect to. Raises OSError, and UnicodeError for what cannot be a name."""
        with contextlib.suppress(socket.gaierror):
            numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric))
        found = await asyncio.shield(self._asked.get((host, port)) or self._ask(host, port))
        if isinstance(found, OSError):
            raise found
        return found

    def _ask(self, host: str, port: int) -> asyncio.Future[list[Address] | OSError]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Address] | OSError] = loop.create_future()

        def answered(found: list[Address] | OSError) -> None:
            del self._asked[host, port]
            answer.set_result(found)

        def look_up() -> None:
            found = _look_up(host, port)
            # The loop may be closed by now.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(answered, found)

        _start(threading.Thread(target=look_up, name=f"look up {host}", daemon=True))
        self._asked[host, port] = answer
        return answer


def _look_up(host: str, port: int) -> list[Address] | OSError:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as exc:
        return exc


def _start(thread: threading.Thread) -> None:
    try:
        thread.start()
    except RuntimeError as exc:
        # All that Python says of pthread_create(3).
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from exc

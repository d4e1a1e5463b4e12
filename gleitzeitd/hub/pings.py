"""Pings that are measured by a clock that never jumps.

python-engineio measures with the wall clock how long a peer has owed it an answer. When that clock is set
forward by more than the time a peer has, every connection that owes one is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from time import monotonic
from typing import Any

import socketio
from engineio.async_socket import AsyncSocket


class SteadySocket(AsyncSocket):  # type: ignore[misc]  # python-engineio has no types
    """One connection, whose last ping was as long ago by the wall clock as it was by the steady one."""

    _pinged_at: float | None = None

    @property
    def last_ping(self) -> float | None:
        return None if self._pinged_at is None else time.time() - (monotonic() - self._pinged_at)

    @last_ping.setter
    def last_ping(self, now: float | None) -> None:
        self._pinged_at = None if now is None else monotonic()


class SteadyServer(socketio.AsyncServer):  # type: ignore[misc]  # python-socketio has no types
    async def _handle_eio_connect(self, eio_sid: str, environ: Mapping[str, Any]) -> Any:
        # The library names the class of its connections where nobody can choose another.
        connection = self.eio.sockets[eio_sid]
        connection.__class__ = SteadySocket
        connection.last_ping = time.time()
        return await super()._handle_eio_connect(eio_sid, environ)

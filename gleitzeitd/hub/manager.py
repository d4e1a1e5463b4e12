"""Sends to one connection without python-socketio's detour.

Its own `emit` makes a task for each recipient and waits for all, which for one recipient costs more than
the sending itself.
"""

from __future__ import annotations

from typing import Any

import socketio
from socketio.packet import EVENT


class DirectManager(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio has no types
    """A client manager for a server that only ever speaks to one connection at a time."""

    async def emit(self, event: str, data: Any, namespace: str, room: str | None = None, **_: object) -> None:
        """Queue an event for the connection `room`; without effect when that is gone."""
        eio_sid = self.eio_sid_from_sid(room, namespace)
        if eio_sid is not None:
            # The protocol has no binary parts: without the search for them, depth is no matter.
            packet = self.server.packet_class(EVENT, namespace=namespace, data=[event, data], binary=False)
            await self.server._send_packet(eio_sid, packet)

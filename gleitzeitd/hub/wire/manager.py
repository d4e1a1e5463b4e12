"""Sends to one connection without python-socketio's detours.

Its own `emit` makes a task for each recipient and waits for all, which for one recipient costs more than
the sending itself. Its table of acknowledgements keeps what is never acknowledged until the connection ends.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from socketio.packet import EVENT

from gleitzeit_extensions.lean import socketio
from gleitzeit_extensions.protocol import MAX_FRAME, CallError

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class DirectManager(socketio.AsyncManager):  # type: ignore[misc]  # python-socketio has no types
    """A client manager for a server that only ever speaks to one connection at a time."""

    def __init__(self, acknowledged: Callable[[str, int, list[Any]], None]) -> None:
        """`acknowledged(sid, id, arguments)` is told of every acknowledgement, asked for or not."""
        super().__init__()
        self._acknowledged = acknowledged

    async def emit(
        self,
        event: str,
        data: Any,
        namespace: str,
        room: str | None = None,
        callback: int | None = None,
        **_: object,
    ) -> None:
        """Send an event to the connection `room`; without effect when that is gone.

        It is to be acknowledged under the number `callback`, if there is one. Raises CallError `protocol` for
        what is no JSON, and `too_large` for what would cut its connection instead of reaching it.
        """
        connection = self.server.eio.sockets.get(self.eio_sid_from_sid(room, namespace))
        if connection is None or connection.closed:
            return
        try:
            text = _encode([event, data])
        except (TypeError, ValueError, RecursionError) as exc:
            raise CallError("protocol", f"what was to be sent is no JSON: {exc}") from exc
        if len(text) > MAX_FRAME:
            most = f"the {MAX_FRAME:,} that one message may have"
            sentence = f"it is {len(text):,} bytes of JSON, more than {most}"
            raise CallError("too_large", sentence, {"size": len(text), "limit": MAX_FRAME})
        number = "" if callback is None else callback
        await connection.say(f"{EVENT}{namespace},{number}{text}")

    async def trigger_callback(self, sid: str | None, id: int | None, data: list[Any]) -> None:
        """Hand on an acknowledgement that came."""
        if sid is not None and id is not None:
            self._acknowledged(sid, id, data)

"""How many connections are inside at once, by whichever door they came, from their first byte to their last.

Whoever has sent no request yet, or does not end a TLS handshake, is in no other count.
"""

from __future__ import annotations

import socket
from weakref import WeakSet


class Room:
    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = WeakSet[socket.socket]()

    @property
    def is_full(self) -> bool:
        return len(self._inside) >= self._most

    def entered(self, connection: socket.socket) -> socket.socket:
        """The same connection, which is inside until it is closed."""
        kind = connection.family, connection.type, connection.proto
        counted = _Counted(*kind, fileno=connection.detach())
        counted.inside = self._inside
        self._inside.add(counted)
        return counted


class _Counted(socket.socket):
    inside: WeakSet[socket.socket]

    def close(self) -> None:
        self.inside.discard(self)
        super().close()

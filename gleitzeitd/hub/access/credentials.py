"""Who is at the other end of a Unix socket, by the kernel's word."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import NamedTuple


class Credentials(NamedTuple):
    pid: int
    uid: int
    gid: int


def credentials(transport: asyncio.BaseTransport | None) -> Credentials | None:
    """What unix(7) calls SO_PEERCRED; None where there is no Unix socket."""
    peer = transport.get_extra_info("socket") if transport else None
    if peer is None or peer.family != socket.AF_UNIX:
        return None
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Credentials(*struct.unpack("3i", raw))

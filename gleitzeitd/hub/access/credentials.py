"""Who is at the other end of a socket, by the kernel's word."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import NamedTuple

SO_PEERGROUPS = 59  # asm-generic/socket.h
GROUPS_SIZE = 1024
"""Bytes of what Python reads of a socket's option at most: 256 groups."""


class Credentials(NamedTuple):
    pid: int
    uid: int
    gid: int


class Origin(NamedTuple):
    """Where a connection comes from: one of the two is known."""

    pid: int | None = None
    """At the Unix socket."""
    address: str = ""
    """Over TCP, such as `10.0.0.7:51512`."""


def origin(transport: asyncio.BaseTransport | None) -> Origin:
    if peer := credentials(transport):
        return Origin(pid=peer.pid)
    name = transport.get_extra_info("peername") if transport else None
    if not isinstance(name, tuple):
        return Origin()
    host, port = name[:2]
    return Origin(address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")


def credentials(transport: asyncio.BaseTransport | None) -> Credentials | None:
    """What unix(7) calls SO_PEERCRED; None where there is no Unix socket."""
    peer = transport.get_extra_info("socket") if transport else None
    if peer is None or peer.family != socket.AF_UNIX:
        return None
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return Credentials(*struct.unpack("3i", raw))


def groups(transport: asyncio.BaseTransport | None) -> frozenset[int]:
    """The other groups that the one at a Unix socket had when it connected; none where they are too many.

    They may be in no list, as those that a unit of systemd has by `SupplementaryGroups=`.
    """
    peer = transport.get_extra_info("socket") if transport else None
    if peer is None or peer.family != socket.AF_UNIX:
        return frozenset()
    try:
        raw = peer.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_SIZE)
    except OSError:  # ERANGE
        return frozenset()
    return frozenset(struct.unpack(f"{len(raw) // struct.calcsize('I')}I", raw))

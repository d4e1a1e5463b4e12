"""Who asks, by the kernel's word, and what they may."""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from enum import IntEnum

from aiohttp import web

from gleitzeit_extensions import places
from gleitzeit_extensions.protocol import CallError


class Role(IntEnum):
    NONE = 0
    OPERATOR = 1
    """Look, start, stop, restart, invoke."""
    OWNER = 2


def role_of(request: web.Request) -> Role:
    """root and the daemon's own user own it; members of the group operate it (unix(7), SO_PEERCRED)."""
    peer = request.transport.get_extra_info("socket") if request.transport else None
    if peer is None or peer.family != socket.AF_UNIX:
        return Role.NONE
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, gid = struct.unpack("3i", credentials)
    if uid in (0, os.geteuid()):
        return Role.OWNER
    return Role.OPERATOR if _is_member(uid, gid) else Role.NONE


def _is_member(uid: int, gid: int) -> bool:
    try:
        group = grp.getgrnam(places.GROUP).gr_gid
        return gid == group or group in os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        return False


def demand(request: web.Request, role: Role) -> None:
    """Raises CallError `forbidden` when the one who asks has less than `role`."""
    if role_of(request) < role:
        who = "root and the daemon's user" if role is Role.OWNER else f"root and the group {places.GROUP}"
        raise CallError("forbidden", f"{request.method} {request.path} is for {who}")

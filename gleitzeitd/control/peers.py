"""Who asks, by the kernel's word, and what they may."""

from __future__ import annotations

import grp
import os
import pwd
from enum import IntEnum

from aiohttp import web

from gleitzeit_extensions import places
from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.credentials import credentials


class Role(IntEnum):
    NONE = 0
    OPERATOR = 1
    """Look, start, stop, restart, invoke."""
    OWNER = 2


def role_of(request: web.Request) -> Role:
    """root and the daemon's own user own it; members of the group operate it (unix(7), SO_PEERCRED)."""
    peer = credentials(request.transport)
    if peer is None:
        return Role.NONE
    if peer.uid in (0, os.geteuid()):
        return Role.OWNER
    return Role.OPERATOR if _is_member(peer.uid, peer.gid) else Role.NONE


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

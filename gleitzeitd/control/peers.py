"""Who asks, and what they may: the one place that decides it, for every route.

At the control socket the kernel says who asks (unix(7), SO_PEERCRED). At the hub's sockets a token does, as
nobody knows who comes over TCP, and anybody may connect to the Unix socket.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Container
from dataclasses import dataclass
from enum import IntEnum

from aiohttp import web

from gleitzeit_extensions import places
from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.admission import Visitor, bearer_of
from gleitzeitd.hub.access.credentials import credentials, groups
from gleitzeitd.hub.access.scopes import Right


class Role(IntEnum):
    NONE = 0
    CALLER = 1
    """See what it may call."""
    OBSERVER = 2
    """Look at everything."""
    OPERATOR = 3
    """Also start, stop, restart, reload, and invoke anything."""
    OWNER = 4


PEERS = {
    Role.CALLER: f"root and the group {places.GROUP}",
    Role.OBSERVER: f"root and the group {places.GROUP}",
    Role.OPERATOR: f"root and the group {places.GROUP}",
    Role.OWNER: "root and the daemon's user",
}
"""Whom a role is for, at the control socket."""
TOKENS = {
    Role.CALLER: "a token with the scope observe or invoke:NAME",
    Role.OBSERVER: "a token with the scope observe",
    Role.OPERATOR: "a token with the scope admin, or that of this machine",
    Role.OWNER: "a token with the scope admin",
}
"""The same, at the hub's sockets."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the one who asks may. Each `demand_` raises CallError `forbidden` when that is not enough."""

    asked: str
    """The method and the path of the request."""
    role: Role
    caller: str
    """Who asks, such as `uid:0` or `token:ci`; no two of them are the same."""
    visitor: Visitor | None = None
    """Who came with a token."""

    def demand_offers(self) -> None:
        """To see what there is to call, as far as `may_see` says."""
        self._demand(Role.CALLER)

    def may_see(self, name: str) -> bool:
        """Whether it may know of the provider, model or capability `name`."""
        return self.role >= Role.OBSERVER or (
            self.visitor is not None and self.visitor.grant.may_invoke(name)
        )

    def demand_see(self, name: str) -> None:
        if self.visitor is None or self.role >= Role.OBSERVER:
            self._demand(Role.OBSERVER)
        else:
            self.visitor.demand_scope(name)

    def demand_look(self) -> None:
        self._demand(Role.OBSERVER)

    def demand_operate(self) -> None:
        self._demand(Role.OPERATOR)

    def demand_own(self) -> None:
        self._demand(Role.OWNER)

    def demand_invoke(self, name: str) -> None:
        """To call the provider, model or capability `name`, once. Also raises CallError `rate_limited`."""
        if self.visitor is None:
            self._demand(Role.OPERATOR)
        else:
            self.visitor.demand_invoke(name)

    def _demand(self, role: Role) -> None:
        if self.role >= role:
            return
        if self.visitor is None:
            raise CallError("forbidden", f"{self.asked} is for {PEERS[role]}")
        raise self.visitor.refused(CallError("forbidden", f"{self.asked} is for {TOKENS[role]}"))


def rights(request: web.Request) -> Rights:
    """Of the one who asks. Raises CallError `unauthenticated` where a token is needed, and none is good."""
    asked = f"{request.method} {request.path}"
    if visitor := bearer_of(request):
        return Rights(asked, _role_by(visitor), visitor.grant.who, visitor)
    peer = credentials(request.transport)
    return Rights(asked, role_of(request), f"uid:{peer.uid}" if peer else "")


def _role_by(visitor: Visitor) -> Role:
    grant = visitor.grant
    if grant.is_admin:
        return Role.OWNER
    if grant.is_local:
        return Role.OPERATOR
    if grant.may_observe:
        return Role.OBSERVER
    return Role.CALLER if grant.has(Right.INVOKE) else Role.NONE


def role_of(request: web.Request) -> Role:
    """root and the daemon's own user own it; members of the group operate it."""
    peer = credentials(request.transport)
    if peer is None:
        return Role.NONE
    if peer.uid in (0, os.geteuid()):
        return Role.OWNER
    is_member = _is_member(peer.uid, {peer.gid, *groups(request.transport)})
    return Role.OPERATOR if is_member else Role.NONE


def _is_member(uid: int, its: Container[int]) -> bool:
    """Whether the group is among those that a process has, or that its user is listed in."""
    try:
        group = grp.getgrnam(places.GROUP).gr_gid
        if group in its:
            return True
        user = pwd.getpwuid(uid)
        return group in os.getgrouplist(user.pw_name, user.pw_gid)
    except KeyError:
        return False

"""Who is let in: a connection shows a token and, on the Unix socket, the kernel says whose it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import socketio
from aiohttp import web

from gleitzeit_extensions.protocol import PROTO, CallError
from gleitzeitd.core.spec import CommandTarget, Spec
from gleitzeitd.hub.credentials import credentials
from gleitzeitd.hub.tokens import Grant, Tokens


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has connected."""

    grant: Grant
    pid: int | None
    """By the kernel's word; None over TCP."""


class Admission:
    def __init__(
        self,
        tokens: Tokens,
        spec_of: Callable[[Grant], Spec | None],
        owns: Callable[[str, int, int], bool],
    ) -> None:
        """`owns`: whether a pid belongs to a generation of an instance."""
        self._tokens = tokens
        self._spec_of = spec_of
        self._owns = owns

    def provider(self, environ: Mapping[str, Any], auth: object) -> Visitor:
        """Raises socketio's ConnectionRefusedError, whose data is the error's envelope."""
        return self._admit(environ, auth)

    def caller(self, environ: Mapping[str, Any], auth: object) -> Visitor:
        """Raises socketio's ConnectionRefusedError, whose data is the error's envelope."""
        visitor = self._admit(environ, auth)
        if visitor.grant.instance is not None:
            _refuse(CallError("forbidden", "this token is for the provider itself, not for calls"))
        return visitor

    def _admit(self, environ: Mapping[str, Any], auth: object) -> Visitor:
        given = auth if isinstance(auth, dict) else {}
        if given.get("proto") != PROTO:
            sentence = f"this hub speaks gz/{PROTO}: connect with auth {{proto: {PROTO}, token}}"
            _refuse(CallError("protocol", sentence))
        grant, pid = self._tokens.check(given.get("token")), _peer_pid(environ)
        if grant is None:
            sentence = "the token is unknown: the daemon makes a new one at each start"
            _refuse(CallError("unauthenticated", sentence))
        if grant.instance is not None and not self._is_its_own(grant.instance, grant.generation, pid):
            _refuse(CallError("forbidden", f'this process does not belong to "{grant.instance}"'))
        return Visitor(grant, pid)

    def _is_its_own(self, instance: str, generation: int, pid: int | None) -> bool:
        """Whether who holds an instance's token is that instance."""
        if pid is not None:
            return self._owns(instance, generation, pid)
        # Over TCP nobody says who connects. A command is told the address and may know no other way.
        spec = self._spec_of(Grant(instance, generation))
        return spec is not None and isinstance(spec.target, CommandTarget)


def _refuse(error: CallError) -> NoReturn:
    raise socketio.exceptions.ConnectionRefusedError(error.message, error.wire())


def _peer_pid(environ: Mapping[str, Any]) -> int | None:
    request = environ.get("aiohttp.request")
    peer = credentials(request.transport) if isinstance(request, web.BaseRequest) else None
    return peer.pid if peer else None

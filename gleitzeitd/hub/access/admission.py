"""Who is let in: a connection shows a token and, on the Unix socket, the kernel says whose it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from gleitzeit_extensions.lean import socketio
from gleitzeit_extensions.protocol import PROTO, CallError
from gleitzeitd.core.spec import CommandTarget, Spec
from gleitzeitd.hub.access.credentials import Origin, origin
from gleitzeitd.hub.access.crowd import GUEST
from gleitzeitd.hub.access.rates import Bucket
from gleitzeitd.hub.access.refusals import UNKNOWN, Refusals
from gleitzeitd.hub.access.scopes import Right
from gleitzeitd.hub.access.tokens import Grant, Tokens


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who has connected."""

    grant: Grant
    origin: Origin
    bucket: Bucket | None
    refusals: Refusals

    def refused(self, error: CallError) -> CallError:
        """The error, which is counted."""
        return self.refusals.counted(error, self.grant.who)

    def demand_scope(self, name: str) -> None:
        """To call the provider, the model or the capability `name` at all. Raises CallError `forbidden`."""
        if not self.grant.may_invoke(name):
            sentence = f'this token may not call "{name[:100]}": it needs the scope invoke:{name[:100]}'
            raise self.refused(CallError("forbidden", sentence))

    def demand_invoke(self, name: str) -> None:
        """One call of it; it counts for the token's rate. Raises CallError `forbidden`, `rate_limited`."""
        self.demand_scope(name)
        if self.bucket is not None and (wait := self.bucket.take(time.monotonic())):
            sentence = f"this token may make {self.bucket.rate:g} calls a second"
            raise self.refused(CallError("rate_limited", sentence, {"retry_after": wait}))


class Admission:
    """It says who has come, and counts whom it does not let in."""

    def __init__(
        self,
        tokens: Tokens,
        spec_of: Callable[[Grant], Spec | None],
        owns: Callable[[str, int, int], bool],
        refusals: Refusals,
    ) -> None:
        """`owns`: whether a pid belongs to a generation of an instance."""
        self._tokens = tokens
        self._spec_of = spec_of
        self._owns = owns
        self._refusals = refusals
        self._buckets: dict[Grant, Bucket] = {}

    def provider(self, environ: Mapping[str, Any], auth: object) -> Visitor:
        """Raises socketio's ConnectionRefusedError, whose data is the error's envelope."""
        return self._let_in(environ, auth, calls=False)

    def caller(self, environ: Mapping[str, Any], auth: object) -> Visitor:
        """Raises socketio's ConnectionRefusedError, whose data is the error's envelope."""
        return self._let_in(environ, auth, calls=True)

    def bearer(self, request: web.BaseRequest) -> Visitor:
        """Who sends a request with `Authorization: Bearer`. Raises CallError `unauthenticated`."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            if kind.lower() != "bearer":
                raise CallError("unauthenticated", "send a token: Authorization: Bearer TOKEN")
            visitor = self._visitor(self._known(token.strip()), origin(request.transport))
        except CallError as exc:
            raise self._refusals.counted(exc)  # noqa: B904 - it is the same error
        if guest := request.get(GUEST):
            guest.joined(visitor.grant)
        return visitor

    def forget(self, grant: Grant) -> None:
        """It is good no more."""
        self._buckets.pop(grant, None)

    def _let_in(self, environ: Mapping[str, Any], auth: object, *, calls: bool) -> Visitor:
        request = environ.get("aiohttp.request")
        guest = request.get(GUEST) if isinstance(request, web.BaseRequest) else None
        by = UNKNOWN
        try:
            if guest is not None:
                guest.tries()
            grant = self._shown(auth)
            by = grant.who
            visitor = self._admit(grant, request, calls)
        except CallError as exc:
            self._refusals.counted(exc, by)
            raise socketio.exceptions.ConnectionRefusedError(exc.message, exc.wire()) from exc
        if guest is not None:
            guest.joined(visitor.grant)
        return visitor

    def _shown(self, auth: object) -> Grant:
        given = auth if isinstance(auth, dict) else {}
        if given.get("proto") != PROTO:
            sentence = f"this hub speaks gz/{PROTO}: connect with auth {{proto: {PROTO}, token}}"
            raise CallError("protocol", sentence)
        return self._known(given.get("token"))

    def _admit(self, grant: Grant, request: object, calls: bool) -> Visitor:
        came = origin(request.transport) if isinstance(request, web.BaseRequest) else Origin()
        if grant.instance is not None and not self._is_its_own(grant.instance, grant.generation, came.pid):
            raise CallError("forbidden", f'this process does not belong to "{grant.instance}"')
        if grant.instance is not None and calls:
            raise CallError("forbidden", "this token is for the provider itself, not for calls")
        right = Right.INVOKE if calls else Right.PROVIDE
        if grant.instance is None and not grant.has(right):
            raise CallError("forbidden", f"this token has no scope {right}:NAME")
        return self._visitor(grant, came)

    def _known(self, token: object) -> Grant:
        grant = self._tokens.check(token)
        if grant is None:
            sentence = (
                "the token is unknown: it was revoked, or the daemon has started since and has a new one"
            )
            raise CallError("unauthenticated", sentence)
        if grant.expires is not None and grant.expires <= time.time():
            when = f"{datetime.fromtimestamp(grant.expires).astimezone():%Y-%m-%d %H:%M %Z}"
            raise CallError("unauthenticated", f'the token "{grant.name}" was good until {when}')
        self._tokens.note_use(grant)
        return grant

    def _visitor(self, grant: Grant, came: Origin) -> Visitor:
        bucket = self._buckets.get(grant)
        if bucket is None and grant.rate is not None:
            # of all connections with the token
            bucket = self._buckets[grant] = Bucket(grant.rate, time.monotonic())
        return Visitor(grant, came, bucket, self._refusals)

    def _is_its_own(self, instance: str, generation: int, pid: int | None) -> bool:
        """Whether who holds an instance's token is that instance."""
        if pid is not None:
            return self._owns(instance, generation, pid)
        # Over TCP nobody says who connects. A command is told the address and may know no other way.
        spec = self._spec_of(Grant(instance, generation))
        return spec is not None and isinstance(spec.target, CommandTarget)


ADMISSION = web.RequestKey("gleitzeit.admission", Admission)
"""Where a request that needs a token has the one who decides about it."""


def bearer_of(request: web.BaseRequest) -> Visitor | None:
    """Who sends the request, where it takes a token to do so. Raises CallError `unauthenticated`."""
    admission = request.get(ADMISSION)
    return None if admission is None else admission.bearer(request)

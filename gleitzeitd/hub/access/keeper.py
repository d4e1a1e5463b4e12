"""The keeper of the named tokens: it alone makes them, ends them and has them written down."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import anyio
import anyio.to_thread
import structlog

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.hub.access.named import Named, check_name, read, written
from gleitzeitd.hub.access.scopes import Scope
from gleitzeitd.hub.access.tokens import PREFIX, Grant, Tokens, digest

log = structlog.get_logger("gleitzeitd")
MOST_TOKENS = 1000
LOOK_EVERY = 60.0
"""Seconds after which the clock is looked at again: it may have been set."""
WRITE_EVERY = 3600.0
"""Seconds after which it is written down when tokens were last used."""


class Keeper:
    def __init__(
        self, tokens: Tokens, text: str | None, write: Callable[[str], None], revoked: Callable[[Grant], None]
    ) -> None:
        """`text` is what was written last, if ever. `write` may block, and raises OSError.

        Raises ValueError for a text that is damaged.
        """
        self._tokens = tokens
        self._write = write
        self._revoked = revoked
        self._named = {} if text is None else read(text)
        self._one_at_a_time = anyio.Lock()
        # Who asked may have hung up while a thread still writes: the next one waits for that.
        self._writing = threading.Lock()
        self._changed = anyio.Event()
        for named in self._named.values():
            tokens.add(named.grant, named.digest)

    def all(self) -> list[Named]:
        """In the order in which they were made."""
        used = self._tokens.used
        return [replace(one, used=used.get(name, one.used)) for name, one in self._named.items()]

    async def create(
        self, name: str, scopes: tuple[Scope, ...], lasts: float | None, rate: float | None
    ) -> tuple[Named, str]:
        """A new token, which is told this once; it `lasts` that many seconds, or for ever.

        Raises CallError `invalid_request`, `conflict`, `internal`.
        """
        check_name(name)
        async with self._one_at_a_time:
            if name in self._named:
                sentence = f'there is a token "{name}" already: revoke it first, or choose another name'
                raise CallError("conflict", sentence)
            if len(self._named) >= MOST_TOKENS:
                raise CallError("conflict", f"there are {MOST_TOKENS} tokens: revoke some first")
            token, now = PREFIX + secrets.token_hex(32), time.time()
            grant = Grant(name=name, scopes=scopes, rate=rate, expires=None if lasts is None else now + lasts)
            named = Named(grant, digest(token), now)
            await self._keep({**self._named, name: named})
            self._tokens.add(grant, named.digest)
        log.info("token created", name=name, scopes=[str(scope) for scope in scopes])
        return named, token

    async def revoke(self, name: str) -> None:
        """Whoever has shown it is sent away. Raises CallError `not_found.token`, `internal`."""
        async with self._one_at_a_time:
            named = self._named.get(name)
            if named is None:
                sentence = f'there is no token "{name[:100]}": see "gleitzeitctl token list"'
                raise CallError("not_found.token", sentence)
            # What is revoked is good no more, whether or not the disk takes note of it.
            self._end(named)
            try:
                await self._keep({key: one for key, one in self._named.items() if key != name})
            except CallError as exc:
                sentence = f'"{name}" is good no more until the daemon restarts, but {exc.message}: '
                raise CallError("internal", sentence + "revoke it again when that is mended") from exc
            self._tokens.used.pop(name, None)
        log.info("token revoked", name=name)

    async def run(self) -> None:
        """Send away whose tokens expire, and have it written down when tokens were used."""
        told, wrote_at = dict(self._tokens.used), anyio.current_time()
        try:
            while True:
                await self._wait()
                now = time.time()
                for named in self._named.values():
                    if named.grant.expires is not None and named.grant.expires <= now:
                        self._revoked(named.grant)
                if anyio.current_time() - wrote_at >= WRITE_EVERY and told != self._tokens.used:
                    await self._note_use()
                    told, wrote_at = dict(self._tokens.used), anyio.current_time()
        finally:
            if told != self._tokens.used:
                with anyio.move_on_after(2, shield=True):
                    await self._note_use()

    async def _wait(self) -> None:
        """Until the next token expires, and not for long."""
        self._changed = anyio.Event()
        now = time.time()
        ends = (one.grant.expires for one in self._named.values())
        ahead = [expires - now for expires in ends if expires is not None and expires > now]
        with anyio.move_on_after(min([LOOK_EVERY, *ahead])):
            await self._changed.wait()

    async def _note_use(self) -> None:
        async with self._one_at_a_time:
            try:
                await self._keep(self._named)
            except CallError as exc:
                log.warning("tokens not kept", reason=exc.message)

    def _end(self, named: Named) -> None:
        self._tokens.revoke(named.grant)
        self._revoked(named.grant)

    async def _keep(self, named: dict[str, Named]) -> None:
        try:
            await anyio.to_thread.run_sync(self._write_down, written(named.values(), self._tokens.used))
        except OSError as exc:
            raise CallError("internal", f"the tokens cannot be kept: {exc}") from exc
        self._named = named
        self._changed.set()

    def _write_down(self, text: str) -> None:
        with self._writing:
            self._write(text)

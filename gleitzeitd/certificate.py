"""The certificate that the hub shows: read at the start, and again whenever its files are saved."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import structlog
from anyio import to_thread

from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import Tls
from gleitzeitd.watching.places import Names, Places, Survey
from gleitzeitd.watching.sight import Sight

SETTLE = 1.0
"""Seconds without another change after which both files are there: they are saved one after the other."""
Mark: TypeAlias = tuple[bytes, ...]
log = structlog.get_logger("gleitzeitd")


class Certificate:
    """One certificate with its key, as it is renewed."""

    def __init__(self, tls: Tls, happened: Callable[[str, tuple[str, ...]], object]) -> None:
        """`happened` is told what became of new files. Raises ConfigError for what cannot be used."""
        self._tls = tls
        self._happened = happened
        self._mark = _bytes_of(tls)
        self._newest = context_of(tls)
        self.context = context_of(tls)
        """For the listening socket: each connection gets what is newest when it is made."""
        self.context.sni_callback = self._give_newest

    async def run(self) -> None:
        """Renew it whenever its files are saved, until cancelled."""
        with Sight(partial(places, self._tls)) as sight:
            while True:
                await self._look()
                await sight.stirred()
                await sight.settled(SETTLE)

    async def _look(self) -> None:
        try:
            # In a thread, and left behind in need: a server of files may have gone away.
            found = await to_thread.run_sync(_found, self._tls, self._mark, abandon_on_cancel=True)
        except ConfigError as exc:
            log.warning("certificate is not renewed: the one before goes on", problems=list(exc.problems))
            self._happened("the certificate is not renewed", exc.problems)
            return
        if found is not None:
            self._mark, self._newest = found
            log.info("certificate is renewed", file=self._tls.certificate)
            self._happened("the certificate is renewed", ())

    def _give_newest(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        # asked for each handshake, also when no name is given
        connection.context = self._newest


def _found(tls: Tls, mark: Mark) -> tuple[Mark, ssl.SSLContext] | None:
    """What the files hold now, unless it is what they had."""
    now = _bytes_of(tls)
    return None if now == mark else (now, context_of(tls))


def context_of(tls: Tls) -> ssl.SSLContext:
    """What its files make of a socket. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _bytes_of(tls)
    try:
        # Without a password to try, OpenSSL would ask for one at the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, OSError) as exc:
        raise ConfigError((_unusable(tls, exc),)) from exc
    return context


def places(tls: Tls) -> Places:
    """All that decides which bytes the two files have."""
    survey = Survey()
    for path in (tls.certificate, tls.key):
        if real := survey.follow(path):
            survey.add(real, Names(frozenset(("",))))
    return survey.places


def _bytes_of(tls: Tls) -> Mark:
    return _read("certificate", tls.certificate), _read("key", tls.key)


def _read(what: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as exc:
        raise ConfigError((f"global.hub.tls.{what}: cannot read {path}: {exc.strerror}",)) from exc


def _unusable(tls: Tls, exc: OSError) -> str:
    if getattr(exc, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"global.hub.tls: the key {tls.key} is not that of the certificate {tls.certificate}"
    if b"ENCRYPTED" in _read("key", tls.key):
        return f"global.hub.tls.key: {tls.key} is encrypted: give one without a passphrase"
    what = f"the certificate {tls.certificate} and the key {tls.key} are not PEM files that belong together"
    return f"global.hub.tls: {what} ({exc.strerror or exc})"

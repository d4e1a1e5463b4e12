"""Where the daemon is, how one gets in, and what is said when nobody opens."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gleitzeit_extensions import places
from gleitzeit_extensions.client.errors import ClientError, InvalidRequest, Unreachable, error

if TYPE_CHECKING:
    from ssl import SSLContext

CONNECT_TIMEOUT = 10.0
"""Seconds within which a connection is made, or not."""
PROBES = ((socket.TCP_KEEPIDLE, 20), (socket.TCP_KEEPINTVL, 5), (socket.TCP_KEEPCNT, 4))
"""A machine that went away without a word is noticed after 40 s of silence (tcp(7))."""
START_IT = 'start it with "gleitzeit serve" or "systemctl start gleitzeitd"'
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """A Unix socket's path; or a host and a port, with TLS or without, and a token."""

    path: str = ""
    scheme: str = "http"
    host: str = "gleitzeitd"
    port: int = 0
    token: str = ""
    verify: str = ""
    """The file with the authorities that are trusted; empty means the system's."""

    @classmethod
    def find(cls, url: str | None, token: str | None, verify: str | None) -> Place:
        """Without an URL the daemon of this machine. Raises InvalidRequest for what is no URL or no token."""
        if url is None:
            return cls(path=places.control_socket())
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as exc:
            raise _no_url(url) from exc
        if parts.scheme not in PORTS or not parts.hostname or parts.path.strip("/") or parts.query:
            raise _no_url(url)
        return cls(
            scheme=parts.scheme,
            host=parts.hostname,
            port=port or PORTS[parts.scheme],
            token=_token(token or os.environ.get("GLEITZEIT_TOKEN", "")),
            verify=verify or "",
        )

    def __str__(self) -> str:
        return self.path or self.base

    @property
    def base(self) -> str:
        """The beginning of each address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" if self.port else f"{self.scheme}://{host}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def context(self) -> SSLContext | None:
        """The system's authorities, or those of `$SSL_CERT_FILE`, or those of `verify` alone."""
        if self.scheme != "https":
            return None
        import ssl

        try:
            return ssl.create_default_context(cafile=self.verify or None)
        except OSError as exc:
            sentence = f"cannot read the authorities in {self.verify}: {exc.strerror or exc}"
            raise InvalidRequest("invalid_request", sentence) from exc

    def failure(self, exc: BaseException) -> ClientError:
        """What the program is told when there was no answer."""
        match exc:
            case ClientError():
                return exc
            case PermissionError():
                join = 'join the group "gleitzeit" or ask as root or as the daemon\'s user'
                return error("forbidden", f"may not use the daemon at {self}: {join}")
            case TimeoutError():
                return error("deadline_exceeded", f"the daemon at {self} did not answer in time")
            case FileNotFoundError() | ConnectionRefusedError():
                return Unreachable(f"cannot reach the daemon at {self}: nobody listens there: {START_IT}")
            case ConnectionError():
                return self.lost()
        why = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        is_unproven = "CERTIFICATE_VERIFY_FAILED" in str(exc)
        trust = ": name the file of who signed it by verify= or $SSL_CERT_FILE" if is_unproven else ""
        return Unreachable(f"cannot reach the daemon at {self}: {why}{trust}")

    def lost(self) -> Unreachable:
        """It was there, and left."""
        sentence = f"the daemon at {self} closed the connection before its answer was whole"
        hint = "" if self.path or self.scheme == "https" else "; if it never answers, does it speak https?"
        return Unreachable(f"{sentence}: the call may have begun{hint}")


def watched(stream: socket.socket) -> socket.socket:
    """The TCP socket, with probes that find out when its peer is gone."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in PROBES:
        stream.setsockopt(socket.IPPROTO_TCP, option, value)
    return stream


def _token(given: str) -> str:
    """As it was read from a file, with the end of its line."""
    token = given.strip()
    if token.isascii() and token.isprintable():
        return token
    # Never the token itself: errors end in logs.
    raise InvalidRequest("invalid_request", "the token has a character that no token has")


def _no_url(url: str) -> InvalidRequest:
    sentence = f"{url!r} is not the address of a daemon: write it as https://HOST:PORT"
    return InvalidRequest("invalid_request", sentence)

"""The sockets that a daemon listens at: bound anew, or kept by systemd over a restart of the service.

Connections wait in what is kept: they are answered by the next life, and nobody is refused meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from gleitzeit_extensions import places
from gleitzeit_extensions.protocol import BACKLOG
from gleitzeitd.core.errors import OccupiedError
from gleitzeitd.premises import explained, give_to_group, make_directory
from gleitzeitd.systemd import Manager

TCP = "tcp"
"""What the sockets of the hub's address are called at the manager."""


class Kept:
    """The sockets that a manager handed over to this life, and keeps for the next."""

    def __init__(self, manager: Manager, handed_over: Mapping[str, list[socket.socket]]) -> None:
        self._manager = manager
        self._handed_over = {name: list(sockets) for name, sockets in handed_over.items()}

    @property
    def is_keeping(self) -> bool:
        return bool(self._manager.address)

    def take(self, name: str, place: object) -> socket.socket | None:
        """The one that listens at that place, if it was handed over."""
        sockets = self._handed_over.get(name, [])
        for found in sockets:
            if found.getsockname() == place:
                sockets.remove(found)
                return found
        return None

    def drop(self, name: str) -> None:
        """Whatever else was handed over by that name listens no more."""
        if sockets := self._handed_over.pop(name, []):
            for unwanted in sockets:
                unwanted.close()
            self._manager.forget(name)

    def drop_the_rest(self) -> None:
        """Where this life does not listen, nobody does: who connected there would wait for ever."""
        for name in list(self._handed_over):
            self.drop(name)

    def keep(self, name: str, *sockets: socket.socket) -> None:
        self._manager.keep(name, sockets)


ANEW = Kept(Manager(), {})
"""Nothing was kept, and nothing is."""


@contextlib.contextmanager
def unix_socket(path: str, mode: int, group: bool = False, kept: Kept = ANEW) -> Iterator[socket.socket]:
    """A listening socket at `path`; a dead one's is replaced. Hold the lock. Raises OccupiedError."""
    if len(os.fsencode(path)) > places.LONGEST:
        raise OccupiedError(f"the socket path {path} is longer than the {places.LONGEST} bytes Linux allows")
    make_directory(os.path.dirname(path), 0o711)
    name = os.path.basename(path)
    listening = kept.take(name, path) if _is_socket(path) else None
    kept.drop(name)
    with listening or _bound(path, mode) as listening:
        if group:
            give_to_group(path)
        listening.listen(BACKLOG)
        kept.keep(name, listening)
        try:
            yield listening
        finally:
            # what is kept is found by its path, and goes with the service's directory
            if not kept.is_keeping:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)


def _is_socket(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False


def _bound(path: str, mode: int) -> socket.socket:
    _clear(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        with explained(f"cannot listen at {path}"):
            bound.bind(path)
    except OccupiedError:
        bound.close()
        raise
    finally:
        os.umask(before)
    return bound


def _clear(path: str) -> None:
    """Remove what a dead daemon left at `path`."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OccupiedError(f"{path} is there and is not a socket: move it away")
        places.connect(path, timeout=1).close()
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        os.unlink(path)
    except OSError as exc:
        raise OccupiedError(f"cannot tell who listens at {path}: {exc.strerror}") from exc
    else:
        raise OccupiedError(
            f"another program listens at {path}: stop it, or choose another place with --socket"
        )


def tcp_sockets(url: str, kept: Kept = ANEW) -> list[socket.socket]:
    """Sockets that listen where `url` says; `localhost` means both loopbacks. Raises OccupiedError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    hosts = ("127.0.0.1", "::1") if host == "localhost" else (host,)
    handed_over = {address: _handed_over(address, port, kept) for address in hosts}
    kept.drop(TCP)
    found: list[socket.socket] = []
    for address in hosts:
        try:
            found.append(handed_over[address] or _listen(address, port))
        except OSError as exc:
            if found and exc.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                continue  # No IPv6 on this machine.
            for listening in found:
                listening.close()
            raise OccupiedError(_occupied(url, address, port, exc)) from exc
        port = found[0].getsockname()[1]
    kept.keep(TCP, *found)
    return found


def _handed_over(address: str, port: int, kept: Kept) -> socket.socket | None:
    with contextlib.suppress(OSError):
        return kept.take(TCP, _place(address, port)[2])
    return None


def _place(address: str, port: int) -> tuple[int, int, tuple[Any, ...]]:
    """The family and the protocol to bind with, and where. Raises OSError."""
    family, _, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    return family, protocol, place


def _listen(address: str, port: int) -> socket.socket:
    family, protocol, place = _place(address, port)
    listening = socket.socket(family, socket.SOCK_STREAM, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(place)
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


def _occupied(url: str, address: str, port: int, exc: OSError) -> str:
    if exc.errno != errno.EADDRINUSE:
        return f"cannot listen at {url} ({address}, port {port}): {exc.strerror or exc}"
    holder = _holder(port)
    by = f" by {holder}" if holder else ""
    return f"cannot listen at {url}: port {port} is in use{by}: stop that, or set global.default_server_url"


def _holder(port: int) -> str:
    """Who listens at a TCP port, as far as this user may know."""
    import psutil  # Needed in this one case only.

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
    return ""

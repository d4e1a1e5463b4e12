"""What checks over the network have in common: a deadline, words for what went wrong, and sockets."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from gleitzeitd.core.verdict import Outcome
from gleitzeitd.processes.checks.lookup import Address
from gleitzeitd.processes.checks.shortage import is_shortage, words
from gleitzeitd.processes.containment import descriptors


async def within(seconds: float, what: str, attempt: Callable[[], Awaitable[str]]) -> Outcome:
    """What the attempt says, or why it failed, within so many seconds. It says nothing when all is well."""
    began = anyio.current_time()
    ok: bool | None = False
    why = f"no answer within {seconds:g} s"
    with anyio.move_on_after(seconds):
        try:
            why = await attempt()
            ok = not why
        except OSError as exc:
            ok, why = None if is_shortage(exc) else False, words(exc)
        except (ValueError, OverflowError) as exc:
            # A host or a port that cannot be. The words of these may contain a URL with its secrets.
            why = f"it cannot be asked: {type(exc).__name__}"
    return Outcome(ok, f"{what}: {why}" if why else "", anyio.current_time() - began)


def open_socket(address: Address) -> socket.socket:
    """Without blocking, and not for one of the descriptors that are kept for people who ask us."""
    family, kind, protocol, _, _ = address
    opened = Asking(family, kind, protocol)
    try:
        descriptors.keep_reserve(opened.fileno())
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened


class Asking(socket.socket):
    """A socket whose connecting tells more truly what is wrong."""

    def connect(self, address: Any) -> None:
        """Raises BlockingIOError while it is under way."""
        try:
            super().connect(address)
        except BlockingIOError:
            self._refuse_itself(address)
            raise
        except OSError as exc:
            if exc.errno == errno.EADDRNOTAVAIL and not _has_source(self.family, address):
                # As of ::1 where IPv6 is turned off: that is for want of an address, not of a port.
                raise _error(errno.ENETUNREACH) from exc
            raise
        self._refuse_itself(address)

    def _refuse_itself(self, address: Any) -> None:
        """A port that nobody listens on may be chosen as ours, and then we are who takes the connection."""
        mine = self.getsockname()
        if mine[1] == address[1] and (mine[0] == address[0] or address[0] in ("0.0.0.0", "::")):
            raise _error(errno.ECONNREFUSED)


def _has_source(family: int, address: Any) -> bool:
    """Whether we have an address to ask it from. Nothing is sent."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(address) == 0


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))

"""What checks over the network have in common: a deadline, words for what went wrong, and sockets."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

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
    opened = socket.socket(family, kind, protocol)
    try:
        descriptors.keep_reserve(opened.fileno())
    except OSError:
        opened.close()
        raise
    opened.setblocking(False)
    return opened

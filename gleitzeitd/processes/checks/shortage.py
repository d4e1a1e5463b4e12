"""What went wrong with a check, in words, and whether that was for a lack of ours."""

from __future__ import annotations

import errno
import os
import re
import socket

SHORTAGE = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.EAGAIN,
        errno.ENOMEM,
        errno.ENOBUFS,
        # connect(2): no local port is free.
        errno.EADDRNOTAVAIL,
        # epoll_ctl(2): too many watches.
        errno.ENOSPC,
    }
)
"""What we or the machine lack. It says nothing about whom we ask, who must not be restarted for it."""


def is_shortage(exc: Exception) -> bool:
    return isinstance(exc, OSError) and any(number in SHORTAGE for number in _numbers(exc))


def words(exc: OSError) -> str:
    """The system's words for it: asyncio's own repeat the address."""
    numbers = _numbers(exc)
    if isinstance(exc, socket.gaierror) or not numbers:
        return exc.strerror or str(exc)
    return os.strerror(next((number for number in numbers if number in SHORTAGE), numbers[0]))


def _numbers(exc: OSError) -> list[int]:
    """What it was; several when asyncio made one error of those of several addresses, which only its
    text tells."""
    return [exc.errno] if exc.errno else [int(number) for number in re.findall(r"\[Errno (\d+)\]", str(exc))]

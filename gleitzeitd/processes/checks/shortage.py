"""What went wrong with a check, in words, and whether that was for a lack of ours."""

from __future__ import annotations

import errno
import os
import socket

SHORTAGE = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS})
"""What we or the machine lack. It says nothing about whom we ask, who must not be restarted for it."""


def is_shortage(exc: Exception) -> bool:
    return isinstance(exc, OSError) and exc.errno in SHORTAGE


def words(exc: OSError) -> str:
    """The system's words for it: asyncio's own repeat the address."""
    if isinstance(exc, socket.gaierror) or not exc.errno:
        return exc.strerror or str(exc)
    return os.strerror(exc.errno)

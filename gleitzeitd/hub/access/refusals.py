"""Who is turned away: answered, counted, and told to the log, though no stranger can fill that."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

import structlog
from aiohttp import web

from gleitzeit_extensions.protocol import CallError

log = structlog.get_logger("gleitzeitd")
QUIET_TIME = 60.0
"""Seconds between two lines about refusals of one kind."""


class Refusals:
    def __init__(self, count: Callable[[str], None]) -> None:
        """`count` is told the code of each."""
        self._count = count
        self._said_at: dict[str, float] = {}
        self._unsaid = Counter[str]()

    def counted(self, error: CallError) -> CallError:
        """The error that somebody is refused with."""
        self._count(error.code)
        self._unsaid[error.code] += 1
        now = time.monotonic()
        if now - self._said_at.get(error.code, float("-inf")) >= QUIET_TIME:
            self._said_at[error.code] = now
            # The sentence may repeat what a stranger sent, but never a token, nor what a terminal would obey.
            reason = "".join(letter if letter.isprintable() else "?" for letter in error.message)
            log.warning("refused", code=error.code, reason=reason, times=self._unsaid.pop(error.code))
        return error


def refused(error: CallError) -> web.Response:
    """The envelope, with the status of its code.

    Headers say, too, after how many seconds to try again, and that a token is needed.
    """
    headers = {}
    match error.detail.get("retry_after"):
        case int() | float() as seconds if 0 <= seconds < math.inf:
            headers["Retry-After"] = str(math.ceil(seconds))
    if error.code == "unauthenticated":
        headers["WWW-Authenticate"] = 'Bearer realm="gleitzeit"'
    return web.json_response({"error": error.wire()}, status=error.meaning.http, headers=headers)

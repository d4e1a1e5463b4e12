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
"""Seconds between two lines about refusals of one kind, of one token."""
UNKNOWN = "unknown"
"""Whoever has shown no token that is good."""


class Refusals:
    def __init__(self, count: Callable[[str], None]) -> None:
        """`count` is told the code of each."""
        self._count = count
        self._said_at: dict[tuple[str, str], float] = {}
        self._unsaid = Counter[tuple[str, str]]()

    def counted(self, error: CallError, by: str = UNKNOWN) -> CallError:
        """The error that somebody is refused with; `by`: whose token it was."""
        self._count(error.code)
        kind = error.code, by
        self._unsaid[kind] += 1
        now = time.monotonic()
        if now - self._said_at.get(kind, float("-inf")) >= QUIET_TIME:
            self._said_at[kind] = now
            # The sentence may repeat what a stranger sent, but never a token, nor what a terminal would obey.
            reason = "".join(letter if letter.isprintable() else "?" for letter in error.message)
            log.warning("refused", code=error.code, by=by, reason=reason, times=self._unsaid.pop(kind))
        return error

    def forget(self, by: str) -> None:
        """Nobody has that token any more."""
        for kind in [kind for kind in self._said_at if kind[1] == by]:
            del self._said_at[kind], self._unsaid[kind]


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

"""What somebody who waits is shown meanwhile: one line of the terminal, redrawn in place, gone at the end.

Nothing where nobody looks: stderr that is no terminal, and `--json`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import UNREACHABLE, Complaint
from gleitzeitctl.render import cut, duration, flat

View = Mapping[str, Any]
Show = Callable[[], None]
Tell = Callable[[View], str]
"""From the answer of `/v1/status` to the line about it."""
NARROW = 80
# Without wrapping, for letters that are wider than one column; then the rest of the row is cleared.
_DRAWN = "\r\x1b[?7l{}\x1b[K\x1b[?7h"
_CLEARED = "\r\x1b[K"


@contextmanager
def shown(client: Client, names: Sequence[str], tell: Tell, in_json: bool) -> Iterator[Show | None]:
    """What to call each second to show how it is with the instances of these names (none: all); None where
    nobody looks."""
    if in_json or not _is_watched():
        yield None
        return
    try:
        yield lambda: _show(client, names, tell)
    finally:
        _draw(_CLEARED)


def status(client: Client, names: Sequence[str]) -> View | None:
    """How they are now; None when the daemon does not know one of them, or is just ending."""
    try:
        answer: View = client.get("/v1/status", [("name", name) for name in names])
    except CallError:
        return None
    except Complaint as exc:
        # The answer that is waited for says so as well, and better.
        if exc.exit == UNREACHABLE:
            return None
        raise
    return answer


class Clock:
    """Since when each of them is as it is, as far as it was seen here."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, float]] = {}

    def how(self, view: View) -> str:
        """Such as `STARTING for 12s (connection refused)`."""
        name, state, now = view["name"], view["state"], time.monotonic()
        if self._seen.get(name, (None,))[0] != state:
            self._seen[name] = (state, now)
        since = now - self._seen[name][1] if view["uptime"] is None else view["uptime"]
        return f"{state} for {duration(since)}" + (f" ({flat(view['reason'])})" if view["reason"] else "")


def _is_watched() -> bool:
    return bool(sys.stderr) and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _show(client: Client, names: Sequence[str], tell: Tell) -> None:
    if answer := status(client, names):
        _draw(_DRAWN.format(cut(flat(tell(answer)), _width() - 1)))


def _width() -> int:
    with suppress(OSError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or NARROW
    return NARROW


def _draw(text: str) -> None:
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()

"""Waiting for a daemon that has ended: what follows it goes on when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.complaint import Complaint
from gleitzeitctl.render import note

T = TypeVar("T")
PAUSE = 0.25
"""Seconds between two looks."""


def when_it_is_back(ask: Callable[[], T]) -> T:
    """The first answer that there is; tells that it waits, and that it no longer has to."""
    note("the daemon has ended: this goes on when it is back")
    while True:
        time.sleep(PAUSE)
        try:
            answer = ask()
        except (Complaint, CallError):
            continue
        note("the daemon is back")
        return answer

"""Whose a process is: the words that every child carries in its environment.

A daemon is named by its pid and the time it was started at, so that a later one that was given the same pid
is somebody else.
"""

from __future__ import annotations

import os
from functools import cache

from gleitzeitd.processes.containment.strays import Stat


def marker(name: str, generation: int) -> str:
    """The mark of one life of an instance of this daemon."""
    return f"{os.getpid()}:{own_start()}:{name}:{generation}"


def own_start() -> int:
    """When this process was started, in clock ticks since the machine was."""
    return _start_of(os.getpid())


@cache
def _start_of(pid: int) -> int:
    stat = Stat.of(pid)
    assert stat is not None, "a process that asks for itself is there"
    return stat.started

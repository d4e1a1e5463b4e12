"""Blocking work in a thread of its own, which can see that nobody waits for it any more."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TypeVar

from gleitzeit_extensions import threads

Result = TypeVar("Result")


async def interruptible(work: Callable[[Event], Result]) -> Result:
    """What `work` gives; its event, at which it looks now and then, is set when nobody wants that any more.

    The thread is a daemon and is not waited for: a disk that never answers, as of an NFS server that is gone,
    holds up neither a caller who leaves nor the end of the process.
    """
    stopped = Event()
    try:
        answer: Result = await threads.in_thread(work, stopped)
        return answer
    finally:
        stopped.set()

"""Blocking work in a thread that ends soon after nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

AGAIN = 0.05
"""Seconds after which work that was interrupted, perhaps before it began, is interrupted once more."""


async def in_thread(work: Callable[[], Result], interrupt: Callable[[], None]) -> Result:
    """What `work` gives. When this is cancelled it interrupts the work, and waits until it is over."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            interrupt()
            await asyncio.wait([running], timeout=AGAIN)
        if not running.cancelled():
            running.exception()  # nobody is left who wants it
        raise

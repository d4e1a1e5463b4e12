"""Waiting for a fact while the loop goes on: `tests.house.eventually` for what happens in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio

from tests.house import PATIENCE

T = TypeVar("T")


async def eventually_here(ask: Callable[[], T]) -> T:
    """The first true answer of `ask`."""
    with anyio.fail_after(PATIENCE):
        while not (answer := ask()):  # noqa: ASYNC110 - nobody in this process knows when it comes true
            await anyio.sleep(0.001)
        return answer

"""Does a piece of work for each of many things, so many at a time, and reads ahead no more than it has to."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

Thing = TypeVar("Thing")
Made = TypeVar("Made")
AHEAD = 8
"""How many times as many as are worked on at a time may wait for one before them, where order is kept."""


@asynccontextmanager
async def pumped(
    things: Iterator[Thing] | AsyncIterator[Thing],
    work: Callable[[Thing], Awaitable[Made]],
    concurrency: int,
    ordered: bool,
) -> AsyncIterator[AsyncIterator[Made]]:
    """What the work makes of each thing: in their order, or as it is done. Work that raises ends it all.

    Things are taken as there is room for them; at the end of the block what is under way is cancelled.
    """
    waiting: deque[asyncio.Task[Made]] = deque()
    made = _made(_all_of(things), work, concurrency, ordered, waiting)
    try:
        yield made
    finally:
        await made.aclose()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _made(
    things: AsyncIterator[Thing],
    work: Callable[[Thing], Awaitable[Made]],
    concurrency: int,
    ordered: bool,
    waiting: deque[asyncio.Task[Made]],
) -> AsyncGenerator[Made]:
    running: set[asyncio.Task[Made]] = set()
    is_over = False
    while True:
        while not is_over and len(running) < concurrency and len(waiting) < concurrency * AHEAD:
            try:
                thing = await anext(things)
            except StopAsyncIteration:
                is_over = True
                break
            task: asyncio.Task[Made] = asyncio.ensure_future(_awaited(work, thing))
            waiting.append(task)
            running.add(task)
        if not waiting:
            return
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        if ordered:
            while waiting and waiting[0].done():
                yield waiting.popleft().result()
        else:
            for task in done:
                waiting.remove(task)
                yield task.result()


async def _awaited(work: Callable[[Thing], Awaitable[Made]], thing: Thing) -> Made:
    return await work(thing)


async def _all_of(things: Iterator[Thing] | AsyncIterator[Thing]) -> AsyncIterator[Thing]:
    if isinstance(things, AsyncIterator):
        async for thing in things:
            yield thing
    else:
        for thing in things:
            yield thing

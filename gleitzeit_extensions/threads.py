"""Author's code of either colour, awaited: a coroutine on the loop, anything else in a thread of its own.

The threads are daemons, because a function that hangs must not keep a stopped provider alive; the standard
executors join theirs at exit.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

_END = object()


async def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What `function` gives: a plain one does not hold up the loop, and what it returns may be awaitable."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        given = function(*args, **kwargs)
    else:
        given = await in_thread(function, *args, **kwargs)
    return await given if inspect.isawaitable(given) else given


async def iterate(items: Iterable[Any]) -> AsyncIterator[Any]:
    """A blocking iterable as an asynchronous one, which ends the iterable when it is closed itself."""
    iterator = iter(items)
    try:
        while (item := await in_thread(next, iterator, _END)) is not _END:
            yield item
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            with suppress(ValueError):  # a generator that is stuck in its thread cannot be closed
                await in_thread(close)


def in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
    """The future of `function`, which cannot be stopped in its thread: a cancelled future forgets it."""
    import asyncio
    from contextvars import copy_context
    from threading import Thread

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        elif isinstance(error, StopIteration):  # a future cannot carry it
            future.set_exception(RuntimeError(f"the function raised StopIteration({error.value!r})"))
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as exc:  # whatever it is, it belongs to the one who waits
            error = exc
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=run, name=getattr(function, "__name__", "call"), daemon=True).start()
    return future

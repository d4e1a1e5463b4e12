"""Author's code of either colour, awaited: a coroutine on the loop, anything else in a thread of its own.

The threads are daemons, because a function that hangs must not keep a stopped provider alive; the standard
executors join theirs at exit.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions.protocol import CallError

if TYPE_CHECKING:
    import asyncio
    from queue import SimpleQueue

    Orders = SimpleQueue[asyncio.Future[Any] | None]

RUNNING: ContextVar[set[asyncio.Future[None]] | None] = ContextVar("gleitzeit_threads", default=None)
"""Where a thread is noted as long as it runs, so that one that nobody waits for is not forgotten."""

_END = object()


async def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What `function` gives: a plain one does not hold up the loop, and what it returns may be awaitable."""
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        given = function(*args, **kwargs)
    else:
        given = await in_thread(function, *args, **kwargs)
    return await given if inspect.isawaitable(given) else given


async def iterate(items: Iterable[Any]) -> AsyncIterator[Any]:
    """A blocking iterable as an asynchronous one, advanced and closed in one thread, one item at a time."""
    import asyncio
    from queue import SimpleQueue

    loop = asyncio.get_running_loop()
    orders: Orders = SimpleQueue()
    work = in_thread(_advance, iter(items), orders, loop)
    work.add_done_callback(lambda work: work.cancelled() or work.exception())  # it may end unawaited
    try:
        while True:
            item: asyncio.Future[Any] = loop.create_future()
            orders.put(item)
            if await item is _END:
                break
            yield item.result()
    finally:
        orders.put(None)
    await work


def _advance(iterator: Iterator[Any], orders: Orders, loop: asyncio.AbstractEventLoop) -> None:
    """Give each future that is ordered its item, until None is ordered; then close what there is to close."""
    while (ordered := orders.get()) is not None:
        item, error = None, None
        try:
            item = next(iterator, _END)
        except BaseException as exc:  # whatever it is, it belongs to the one who waits
            error = exc
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, ordered, item, error)
    close = getattr(iterator, "close", None)
    if close is not None:
        close()


def in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> asyncio.Future[Any]:
    """The future of `function`, which cannot be stopped in its thread: a cancelled future forgets it."""
    import asyncio
    from contextvars import copy_context
    from threading import Thread

    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    returned: asyncio.Future[None] = loop.create_future()
    context = copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        returned.set_result(None)
        _settle(future, result, error)

    def run() -> None:
        result, error = None, None
        try:
            result = context.run(function, *args, **kwargs)
        except BaseException as exc:  # whatever it is, it belongs to the one who waits
            error = exc
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    name = getattr(function, "__name__", "call")
    try:
        Thread(target=run, name=name, daemon=True).start()
    except RuntimeError as exc:  # too many processes and threads, or too little memory
        raise CallError("overloaded", f'no thread can be started for "{name}": {exc}') from exc
    if (running := RUNNING.get()) is not None:
        running.add(returned)
        returned.add_done_callback(running.discard)
    return future


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, StopIteration):  # a future cannot carry it
        future.set_exception(RuntimeError(f"the function raised StopIteration({error.value!r})"))
    else:
        future.set_exception(error)

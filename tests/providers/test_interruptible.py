"""Work in threads whose callers leave."""

from __future__ import annotations

import asyncio
import threading

import pytest

from providers.interruptible import interruptible

pytestmark = pytest.mark.anyio


async def test_work_that_hangs_holds_up_neither_its_caller_nor_an_exit() -> None:
    begun, over = threading.Event(), threading.Event()
    seen: list[threading.Thread] = []

    def hang(stopped: threading.Event) -> None:
        seen.append(threading.current_thread())
        begun.set()
        over.wait(30)

    calling = asyncio.ensure_future(interruptible(hang))
    await asyncio.to_thread(begun.wait, 10)
    calling.cancel()
    async with asyncio.timeout(5):
        with pytest.raises(asyncio.CancelledError):
            await calling

    (thread,) = seen
    assert thread.is_alive()
    assert thread.daemon
    over.set()
    await asyncio.to_thread(thread.join)


async def test_work_sees_that_its_caller_has_left_and_an_error_of_it_is_told() -> None:
    begun, left = threading.Event(), threading.Event()

    def work(stopped: threading.Event) -> None:
        begun.set()
        if stopped.wait(10):
            left.set()

    def fail(stopped: threading.Event) -> None:
        raise ValueError("it is so")

    calling = asyncio.ensure_future(interruptible(work))
    await asyncio.to_thread(begun.wait, 10)
    calling.cancel()

    assert await asyncio.to_thread(left.wait, 10)
    with pytest.raises(ValueError, match="it is so"):
        await interruptible(fail)

"""The life of one extension: what it does in which order, and how it ends whatever the author's code does."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from gleitzeit_extensions.exceptions import ExtensionServiceError
from gleitzeit_extensions.extensions.running import Running

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def _nothing_is_left(anyio_backend: str) -> AsyncIterator[None]:
    yield
    assert [task for task in asyncio.all_tasks() if Running.__name__ in repr(task.get_coro())] == []


class Story:
    """An extension that notes what happens to it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.starts = asyncio.Event()

    async def setup(self) -> None:
        self.seen.append("setup")

    async def start(self) -> None:
        self.seen.append("start")
        self.starts.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.seen.append("start ended")

    async def stop(self) -> None:
        self.seen.append("stop")


async def test_a_life_is_setup_start_stop_and_start_is_ended_last() -> None:
    story = Story()
    running = Running("story", story)

    await running.setup()
    running.start()
    await story.starts.wait()
    assert running.is_well
    await running.stop()

    assert story.seen == ["setup", "start", "stop", "start ended"]
    assert not running.is_well


async def test_plain_methods_run_in_threads_and_a_start_that_blocks_ends_by_its_stop() -> None:
    class Plain:
        def __init__(self) -> None:
            self.threads: set[str] = set()
            self.ends = threading.Event()
            self.over = False

        def setup(self) -> None:
            self.threads.add(threading.current_thread().name)

        def start(self) -> None:
            self.ends.wait(30)
            self.over = True

        def stop(self) -> None:
            self.ends.set()

    plain = Plain()
    running = Running("plain", plain)

    await running.setup()
    running.start()
    await running.stop()

    assert plain.over
    assert threading.current_thread().name not in plain.threads


async def test_nothing_at_all_is_an_extension_too() -> None:
    running = Running("bare", object())

    await running.setup()
    running.start()
    await running.started()
    await running.stop()

    assert await running.health() == {"healthy": True}


@pytest.mark.parametrize(
    "error", [ValueError("no key"), SystemExit("no key"), asyncio.CancelledError("no key")]
)
async def test_a_setup_that_fails_names_its_line_and_is_not_stopped(error: BaseException) -> None:
    class Fails(Story):
        async def setup(self) -> None:
            raise error

    fails = Fails()
    running = Running("fails", fails)

    with pytest.raises(ExtensionServiceError) as caught:
        await running.setup()
    await running.stop()

    line = Fails.setup.__code__.co_firstlineno + 1
    assert (
        str(caught.value) == f'setup() of "fails" failed: {__file__}:{line}: {type(error).__name__}: no key'
    )
    assert caught.value.extension_name == "fails"
    assert caught.value.__cause__ is error
    assert fails.seen == []


async def test_a_start_that_fails_is_remembered_awaitable_and_not_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Fails(Story):
        async def start(self) -> None:
            sys.exit(3)

        def health_check(self) -> dict[str, Any]:
            return {"healthy": True, "version": 2}

    fails = Fails()
    running = Running("fails", fails)
    await running.setup()

    running.start()
    with pytest.raises(ExtensionServiceError, match=r'start\(\) of "fails" failed: .*SystemExit: 3'):
        await running.started()

    assert not running.is_well
    assert await running.health() == {"healthy": False, "version": 2, "error": str(running.error)}
    assert str(running.error) in caplog.text
    await running.stop()
    assert fails.seen == ["setup", "stop"]


async def test_two_who_set_up_at_once_wait_for_the_same_setup() -> None:
    story = Story()
    running = Running("story", story)

    await asyncio.gather(running.setup(), running.setup(), running.setup())

    assert story.seen == ["setup"]
    await running.stop()


class Slow(Story):
    """Its setup() never ends by itself."""

    async def setup(self) -> None:
        self.starts.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.seen.append("setup ended")


async def test_a_stop_during_setup_ends_it_and_tells_whoever_waits() -> None:
    slow = Slow()
    running = Running("slow", slow)
    waiting = [asyncio.create_task(running.setup()) for _ in range(2)]
    await slow.starts.wait()

    await running.stop()

    for one in waiting:
        with pytest.raises(ExtensionServiceError, match='"slow" was'):
            await one
    assert slow.seen == ["setup ended"]


async def test_a_setup_that_ends_well_although_it_was_stopped_starts_nothing() -> None:
    class Deaf(Slow):
        async def setup(self) -> None:
            with suppress(asyncio.CancelledError):
                await super().setup()

    deaf = Deaf()
    running = Running("deaf", deaf)
    waiting = asyncio.create_task(running.setup())
    await deaf.starts.wait()

    await running.stop()

    with pytest.raises(ExtensionServiceError, match='"deaf" was stopped during its setup'):
        await waiting


async def test_who_gives_up_on_a_setup_ends_it() -> None:
    slow = Slow()
    running = Running("slow", slow)

    waiting = asyncio.create_task(running.setup())
    await slow.starts.wait()

    waiting.cancel()
    await asyncio.wait([waiting])

    assert waiting.cancelled()
    assert slow.seen == ["setup ended"]


async def test_a_stop_that_fails_still_ends_start_and_then_says_so() -> None:
    class Fails(Story):
        async def stop(self) -> None:
            raise OSError("no way")

    fails = Fails()
    running = Running("fails", fails)
    await running.setup()
    running.start()
    await fails.starts.wait()

    with pytest.raises(ExtensionServiceError, match=r"did not stop well: stop\(\) of .*OSError: no way"):
        await running.stop()

    assert fails.seen == ["setup", "start", "start ended"]


async def test_a_start_that_swallows_one_cancellation_ends_by_the_next() -> None:
    class Stubborn(Story):
        async def start(self) -> None:
            for _ in range(2):
                self.starts.set()
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.seen.append("not me")

    stubborn = Stubborn()
    running = Running("stubborn", stubborn)
    await running.setup()
    running.start()
    await stubborn.starts.wait()

    await running.stop(within=1.0)

    assert stubborn.seen == ["setup", "stop", "not me", "not me"]


async def test_a_start_that_ignores_every_cancellation_is_named_after_the_deadline() -> None:
    class Deaf(Story):
        async def start(self) -> None:
            self.starts.set()
            while not self.heard:
                try:
                    await self.wake.wait()
                except asyncio.CancelledError:
                    continue

        heard = False
        wake = asyncio.Event()

    deaf = Deaf()
    running = Running("deaf", deaf)
    await running.setup()
    running.start()
    await deaf.starts.wait()

    with pytest.raises(
        ExtensionServiceError, match=r"start\(\) \(.*test_running.py:\d+\) ignores that it is"
    ):
        await running.stop(within=0.5)

    deaf.heard = True
    deaf.wake.set()
    await running.started()


async def test_a_stop_that_hangs_is_named_after_its_deadline_and_start_is_ended_all_the_same() -> None:
    class Hangs(Story):
        async def stop(self) -> None:
            await asyncio.Event().wait()

    hangs = Hangs()
    running = Running("hangs", hangs)
    await running.setup()
    running.start()
    await hangs.starts.wait()

    with pytest.raises(
        ExtensionServiceError, match=r"stop\(\) \(.*test_running.py:\d+\) was not over within"
    ):
        await running.stop(within=0.4)

    assert hangs.seen == ["setup", "start", "start ended"]


async def test_an_extension_may_stop_itself_out_of_its_start() -> None:
    class Short(Story):
        async def start(self) -> None:
            await running.stop()
            self.seen.append("start ended")

    story = Short()
    running = Running("story", story)
    await running.setup()

    running.start()
    await running.started()

    assert story.seen == ["setup", "stop", "start ended"]


async def test_a_thread_that_does_not_return_is_named_after_the_deadline() -> None:
    class Hangs:
        ends = threading.Event()
        over = asyncio.Event()

        def start(self) -> None:
            self.ends.wait(30)
            loop.call_soon_threadsafe(self.over.set)

    loop = asyncio.get_running_loop()
    running = Running("hangs", Hangs())
    await running.setup()
    running.start()

    with pytest.raises(ExtensionServiceError, match="did not stop well: a thread of its"):
        await running.stop(within=0.1)

    Hangs.ends.set()
    await Hangs.over.wait()


def test_what_a_loop_left_behind_when_it_was_closed_is_no_obstacle() -> None:
    story = object.__new__(Story)
    story.seen = []
    running = Running("story", story)

    async def begin() -> None:
        story.starts = asyncio.Event()
        await running.setup()
        running.start()
        await story.starts.wait()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin())
    loop.close()

    asyncio.run(running.stop(within=1.0))

    assert story.seen == ["setup", "start", "stop"]


def test_what_one_loop_started_another_one_may_stop() -> None:
    story = object.__new__(Story)
    story.seen = []

    async def begin() -> Running:
        story.starts = asyncio.Event()
        running = Running("story", story)
        await running.setup()
        running.start()
        await story.starts.wait()
        return running

    running = asyncio.run(begin())
    asyncio.run(running.stop())

    assert story.seen == ["setup", "start", "start ended", "stop"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"healthy": False, "load": 3}, {"healthy": False, "load": 3}),
        ({"load": 3}, {"healthy": True, "load": 3}),
        (False, {"healthy": False}),
    ],
)
async def test_a_health_check_may_be_plain_or_async_and_give_a_dict_or_a_bool(given: Any, told: Any) -> None:
    class Plain:
        def health_check(self) -> Any:
            return given

    class Async:
        async def health_check(self) -> Any:
            return given

    assert await Running("one", Plain()).health() == told
    assert await Running("one", Async()).health() == told


async def test_a_health_check_that_fails_or_gives_nonsense_says_where() -> None:
    class Fails:
        def health_check(self) -> Any:
            raise KeyError("load")

    class Nonsense:
        def health_check(self) -> Any:
            return "fine"

    failed, nonsense = [await Running("one", one()).health() for one in (Fails, Nonsense)]

    assert failed["healthy"] is nonsense["healthy"] is False
    assert failed["error"].startswith(f"{__file__}:")
    assert nonsense["error"].startswith(f"{__file__}:")
    assert 'gave a str: a dict with "healthy" is needed' in nonsense["error"]

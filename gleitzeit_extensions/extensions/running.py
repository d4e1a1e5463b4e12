"""One extension at work: the author's setup(), start() and stop(), each of them optional, plain or async.

    running = Running(name, instance)
    await running.setup()
    running.start()          # begins start() as a task
    await running.started()  # for those who want to know its end: raises what it failed with
    await running.health()
    await running.stop()

A plain method runs in a thread of its own. Whatever fails is an ExtensionServiceError that names the line in
the author's file. An extension whose start() returned goes on running until it is stopped.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from gleitzeit_extensions import threads
from gleitzeit_extensions.exceptions import ExtensionServiceError
from gleitzeit_extensions.extensions import health, where

log = logging.getLogger("gleitzeit")

STOP_SECONDS = 10.0
GRACE_SECONDS = 0.3
"""A start() that its stop() has asked to end may take so long before it is cancelled."""


class Running:
    """The life of `instance` from its setup() to its stop(); it is made for one life only."""

    def __init__(self, name: str, instance: object) -> None:
        self.name = name
        self.instance = instance
        self.error: ExtensionServiceError | None = None
        """Why its setup() or start() failed."""
        self._setup: asyncio.Task[None] | None = None
        self._start: asyncio.Task[None] | None = None
        self._stop: asyncio.Task[None] | None = None
        self._threads: set[asyncio.Future[None]] = set()

    @property
    def is_well(self) -> bool:
        """Whether nothing of it failed and nobody stopped it."""
        return self.error is None and self._stop is None

    @property
    def is_stopping(self) -> bool:
        return self._stop is not None

    async def setup(self) -> None:
        """Run setup() to its end; whoever asks meanwhile waits for the same one.

        A setup() that fails or is stopped cleans up after itself: stop() is not called for it.
        """
        if self._setup is None:
            self._setup = asyncio.create_task(self._phase("setup"))
            waits: asyncio.Future[None] = self._setup  # who is cancelled takes the setup() along
        else:
            waits = asyncio.shield(self._setup)
        try:
            await waits
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise ExtensionServiceError(self.name, f'the setup() of "{self.name}" was cancelled') from None
        if self._stop is not None:
            raise ExtensionServiceError(self.name, f'"{self.name}" was stopped during its setup()')

    def start(self) -> None:
        """Run start() beside everything else; its failure is logged and kept in `error`."""
        if self._start is None:
            self._start = asyncio.create_task(self._phase("start"))
            self._start.add_done_callback(self._over)

    async def started(self) -> None:
        """Wait until start() is over, by itself or by stop(); raises what it failed with."""
        if self._start is not None:
            await asyncio.wait([self._start])
        if self.error is not None:
            raise self.error

    async def stop(self, within: float = STOP_SECONDS) -> None:
        """Call stop(), then end what is left of start(); whoever asks meanwhile waits for the same end.

        Raises ExtensionServiceError when stop() failed, or when something is still there after `within`
        seconds: a start() that ignores its cancellation, or a thread that does not return.
        """
        if self._stop is None:
            self._stop = asyncio.create_task(self._end(within, asyncio.current_task()))
        await asyncio.shield(self._stop)

    async def health(self) -> dict[str, Any]:
        """What health_check() says: `{"healthy": bool, ...}`; what failed is not. Never raises."""
        told = await health.ask(self.instance)
        return told if self.error is None else {**told, "healthy": False, "error": str(self.error)}

    async def _phase(self, name: str) -> None:
        """One method of the author's, if there is one."""
        method = getattr(self.instance, name, None)
        if method is None:
            return
        threads.RUNNING.set(self._threads)  # of this task alone
        try:
            await threads.call(method)
        except (KeyboardInterrupt, GeneratorExit):  # the latter: its loop is gone
            raise
        except BaseException as exc:  # a SystemExit of theirs is no reason to end the program
            if isinstance(exc, asyncio.CancelledError) and _is_cancelled():
                raise
            sentence = f'{name}() of "{self.name}" failed: {where.told(exc, self.instance, name)}'
            error = ExtensionServiceError(self.name, sentence)
            if name != "stop":
                self.error = error
            raise error from exc

    def _over(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and self._stop is None:
            log.error("%s", error)

    async def _end(self, within: float, asking: asyncio.Task[Any] | None) -> None:
        """The whole of stop(), in reverse: what start() began is stopped, then start() itself is ended."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        errors = await self._stopped(within) if self._setup and _went_well(self._setup) else []
        begun = [task for task in (self._setup, self._start) if task and task is not asking]
        begun = [task for task in begun if _is_of(loop, task) and not task.done()]
        if self._start in begun and hasattr(self.instance, "stop"):
            await asyncio.wait(begun, timeout=GRACE_SECONDS)
        for task in await _cancelled(begun, until):
            errors.append(f"{self._called(task)} ignores that it is cancelled, and is still running")
        under_way = [thread for thread in self._threads if _is_of(loop, thread)]
        if under_way and (await asyncio.wait(under_way, timeout=max(0.0, until - loop.time())))[1]:
            errors.append(f"a thread of its setup(), start() or stop() did not return within {within:g} s")
        if errors:
            sentence = f'"{self.name}" did not stop well: {"; ".join(errors)}'
            raise ExtensionServiceError(self.name, sentence)

    async def _stopped(self, within: float) -> list[str]:
        task = asyncio.create_task(self._phase("stop"))
        await asyncio.wait([task], timeout=within / 2)
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=within / 4)
            return [f"stop() ({where.of(self.instance, 'stop')}) was not over within {within / 2:g} s"]
        error = task.exception() if not task.cancelled() else None
        return [str(error)] if error else []

    def _called(self, task: asyncio.Future[None]) -> str:
        name = "setup" if task is self._setup else "start"
        return f"{name}() ({where.of(self.instance, name)})"


async def _cancelled(tasks: list[asyncio.Task[None]], until: float) -> list[asyncio.Task[None]]:
    """Cancel them; those that are still there by then, a second cancellation included."""
    loop = asyncio.get_running_loop()
    for share in (0.5, 1.0):  # code that swallows one cancellation may mean the next
        tasks = [task for task in tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=max(0.0, until - loop.time()) * share)
    return [task for task in tasks if not task.done()]


def _is_cancelled() -> bool:
    """Whether somebody cancelled the present task, rather than something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_of(loop: asyncio.AbstractEventLoop, future: asyncio.Future[None]) -> bool:
    """Whether it can be waited for: what belonged to a loop that is over is over, too."""
    return future.get_loop() is loop


def _went_well(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None

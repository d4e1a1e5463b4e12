"""Runs a batch for a person: with a bar that shows how far it is, and an end at Ctrl-C that loses nothing."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gleitzeit_extensions.batch.engine import Runner
from gleitzeit_extensions.batch.files import Output, count_of
from gleitzeitctl.calling import Calling

LAST_MOMENT = 5.0
"""Seconds that calls under way have after Ctrl-C; a second one ends them at once."""


@dataclass(frozen=True)
class Outcome:
    is_complete: bool
    now: int
    """Lines that were done by this run."""
    seconds: float


def run(path: str, output: Output, concurrency: int, ordered: bool) -> Outcome:
    """Raises FileError, Away."""
    before, begun = output.done.count, time.monotonic()
    with _shown(output) as told:
        is_complete = asyncio.run(_run(path, output, concurrency, ordered, told))
    return Outcome(is_complete, output.done.count - before, time.monotonic() - begun)


async def _run(path: str, output: Output, concurrency: int, ordered: bool, told: Callable[[], None]) -> bool:
    calling, enough = Calling(path), asyncio.Event()
    running = asyncio.create_task(Runner(output, calling, concurrency, ordered).run(enough, told))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if enough.is_set():
            running.cancel()
        else:
            enough.set()
            loop.call_later(LAST_MOMENT, running.cancel)

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        return await running
    except asyncio.CancelledError:
        return False
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        await calling.close()


@contextmanager
def _shown(output: Output) -> Iterator[Callable[[], None]]:
    """A bar on stderr, where somebody sees it."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rest]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count_of(output.places), completed=output.done.count, rest="")
        begun, before = time.monotonic(), output.done.count

        def told() -> None:
            rate = (output.done.count - before) / max(time.monotonic() - begun, 1e-6)
            rest = f"{rate:,.0f}/s" + (f", {output.done.failed} failed" if output.done.failed else "")
            bar.update(task, completed=output.done.count, rest=rest)

        yield told

"""The signals that end a `run()`: the first asks for a clean end, a second one ends the process at once.

Plain handlers rather than the loop's, because those can be put back exactly as they were found. Several
providers may run in one process: they share the handlers, and the last one to end puts them back.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any, Self

_entered: list[Signals] = []
_before: dict[int, Any] = {}


class Signals:
    """While entered, the first of `numbers` calls `stop` on the loop and is kept in `first`."""

    def __init__(self, numbers: Iterable[int], stop: Callable[[], None]) -> None:
        self.first: int | None = None
        self.is_last = True
        """Whether nobody else in this process was still to be stopped when this one left."""
        self.numbers = list(numbers)
        self._stop = stop
        self._loop = asyncio.get_running_loop()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            _entered.append(self)
            for number in self.numbers:
                before = signal.getsignal(number)
                # `nohup` means it when it ignores one; what C installed could not be put back
                if number not in _before and before not in (None, signal.SIG_IGN):
                    _before[number] = signal.signal(number, _received)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self not in _entered:
            return
        _entered.remove(self)
        self.is_last = not _entered
        for number in self.numbers:
            if number in _before and not any(number in other.numbers for other in _entered):
                signal.signal(number, _before.pop(number))

    def tell(self, number: int) -> None:
        self.first = number
        self._loop.call_soon_threadsafe(self._stop)


def _received(number: int, frame: FrameType | None) -> None:
    wanting = [one for one in _entered if number in one.numbers and one.first is None]
    if not wanting:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    for one in wanting:
        one.tell(number)

"""How the benchmarks end early: by way of every `finally`, and never in the midst of one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Ending:
    """The one handler of SIGTERM and SIGINT. The first one counts; it waits while something is put away."""

    def __init__(self) -> None:
        self.asked: int | None = None
        self.held = 0

    def listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self.ask)

    def ask(self, number: int, frame: FrameType | None = None) -> None:
        first, self.asked = self.asked is None, self.asked or number
        if first and not self.held:
            sys.exit(128 + number)

    @contextmanager
    def waits(self) -> Iterator[None]:
        """What happens in here is done to its end."""
        before = self.asked
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1
        if self.asked and not before and not self.held:
            sys.exit(128 + self.asked)


ending = Ending()

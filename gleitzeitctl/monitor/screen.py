"""The terminal while the view has it: keys as they come, lines as they change, and all as it was at the end.

A signal that would end the program is an exception here, so that the terminal is given back on every way out.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, Self

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J"
"""The alternate screen, no cursor, and no line that goes on in the next one."""
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"
ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class EndedError(BaseException):
    """A signal has come that ends the program. It is nothing to be caught on the way."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Screen:
    """Use it with `with`."""

    def __init__(self) -> None:
        self._keys, self._drawn = sys.stdin.fileno(), sys.stdout.fileno()
        self._lines: list[str] = []
        self.has_resized = True
        self.is_to_stop = False
        """Whether Ctrl-Z was pressed."""

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._keys)
        self.bell, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._pipe = (self.bell, write)
        self._handlers: dict[int, Any] = {
            **{number: signal.signal(number, _end) for number in ENDINGS},
            signal.SIGWINCH: signal.signal(signal.SIGWINCH, self._resized),
            signal.SIGTSTP: signal.signal(signal.SIGTSTP, self._stopped),
        }
        self._woken = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        try:
            self._take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A second signal must not come between the terminal and what it was.
        for ending in (signal.SIGINT, *ENDINGS):
            signal.signal(ending, signal.SIG_IGN)
        self._give_back()
        signal.set_wakeup_fd(self._woken)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for end in self._pipe:
            os.close(end)

    def _take(self) -> None:
        attributes = termios.tcgetattr(self._keys)
        attributes[0] &= ~(termios.IXON | termios.ICRNL)
        attributes[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(self._keys, termios.TCSANOW, attributes)
        self._write(ENTER)
        self._lines = []
        self.has_resized = True

    def _give_back(self) -> None:
        # A terminal that has been closed cannot be given back.
        with suppress(OSError):
            self._write(LEAVE)
        with suppress(termios.error):
            termios.tcflush(self._keys, termios.TCIFLUSH)
            termios.tcsetattr(self._keys, termios.TCSANOW, self._before)

    def pause(self) -> None:
        """Stop as Ctrl-Z does, until somebody has it go on."""
        self.is_to_stop = False
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        self.has_resized = False
        found = os.get_terminal_size(self._drawn)
        self._lines = []
        self._write("\x1b[2J")
        return max(found.columns, 1), max(found.lines, 1)

    def read(self) -> bytes:
        """What was typed. Raises EndedError when the terminal is gone."""
        try:
            data = os.read(self._keys, 4096)
        except OSError:
            data = b""
        if not data:
            raise EndedError(signal.SIGHUP)
        return data

    def hush(self) -> None:
        """Take what rang the bell."""
        with suppress(BlockingIOError):
            os.read(self.bell, 4096)

    def show(self, lines: Sequence[str]) -> None:
        """Draw what is not there yet."""
        known = [*self._lines, *([""] * (len(lines) - len(self._lines)))]
        changed = [at for at, line in enumerate(lines) if line != known[at]]
        self._lines = list(lines)
        if changed:
            self._write("".join(f"\x1b[{at + 1};1H\x1b[0m\x1b[K{lines[at]}" for at in changed))

    def forget(self) -> None:
        """Something else has written on it."""
        self.has_resized = True

    def _write(self, text: str) -> None:
        data = memoryview(text.encode(errors="replace"))
        while data:
            data = data[os.write(self._drawn, data) :]

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self.has_resized = True

    def _stopped(self, number: int, frame: FrameType | None) -> None:
        self.is_to_stop = True


def _end(number: int, frame: FrameType | None) -> None:
    raise EndedError(number)

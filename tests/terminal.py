"""A real terminal for the tests: pexpect gives the program a pty, pyte is the screen that it draws on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import pexpect
import pyte

UP, DOWN, LEFT, RIGHT = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
CTRL_C = "\x03"
POLL = 0.05
"""Seconds that one read waits for more to be drawn."""


class Terminal:
    """A program at a terminal of its own, and what a person in front of it sees."""

    def __init__(self, process: pexpect.spawn[bytes], columns: int, rows: int) -> None:
        self.process = process
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.drawn = b""
        """All that it wrote, with its escape sequences."""

    @property
    def lines(self) -> list[str]:
        """The rows of the screen as they are now, without the blanks at their ends."""
        self._draw()
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).rstrip()

    def colour(self, row: int, column: int) -> str:
        """The foreground of one cell, by pyte's names: `default`, `green`, `red` and so on."""
        return str(self._screen.buffer[row][column].fg)

    def press(self, keys: str) -> None:
        self.process.send(keys)

    def resize(self, columns: int, rows: int) -> None:
        self._draw()
        self._screen.resize(rows, columns)
        self.process.setwinsize(rows, columns)

    def until(self, seen: str | Callable[[str], bool], within: float = 20) -> str:
        """The screen's text once it has `seen`, or once that is true of it. Fails with the screen it has."""
        is_so = (lambda text: seen in text) if isinstance(seen, str) else seen
        deadline = time.monotonic() + within
        while not is_so(text := self.text):
            ended = not self.process.isalive() and not is_so(self.text)
            if ended or time.monotonic() > deadline:
                what = f"it ended with {self.process.exitstatus}" if ended else f"not within {within} s"
                raise AssertionError(f"{seen!r} was not seen: {what}; the screen:\n{text}")
        return text

    def ended(self, within: float = 20) -> int:
        """Its exit status, once it has ended; -N for a signal."""
        deadline = time.monotonic() + within
        while self.process.isalive():
            self._draw()
            if time.monotonic() > deadline:
                raise AssertionError(f"it has not ended within {within} s; the screen:\n{self.text}")
        self._draw()
        status, signal = self.process.exitstatus, self.process.signalstatus
        return -signal if signal is not None else int(status or 0)

    def _draw(self) -> None:
        """Draw what has come; waits a moment when there is nothing."""
        wait = POLL
        try:
            while True:
                data = self.process.read_nonblocking(64 * 1024, timeout=wait)
                self.drawn += data
                self._stream.feed(data)
                wait = 0
        except (pexpect.TIMEOUT, pexpect.EOF):
            pass


@contextmanager
def terminal(
    command: Sequence[str],
    env: Mapping[str, str] = os.environ,
    *,
    columns: int = 80,
    rows: int = 24,
    cwd: str | None = None,
) -> Iterator[Terminal]:
    """Run `command` at a terminal of that size; it is ended with the block."""
    process: pexpect.spawn[bytes] = pexpect.spawn(
        command[0],
        list(command[1:]),
        env={**env, "TERM": "xterm-256color"},
        cwd=cwd,
        dimensions=(rows, columns),
        timeout=20,
    )
    process.delaybeforesend = None
    try:
        yield Terminal(process, columns, rows)
    finally:
        process.close(force=True)

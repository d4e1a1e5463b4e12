"""A screen that is drawn anew in place each second, for as long as somebody looks."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gleitzeitctl.complaint import misuse

EVERY = 1.0
"""Seconds between two screens."""
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(lines: Callable[[int], list[str]]) -> None:
    """Until Ctrl-C. `lines` makes what fits into so many rows. Raises Complaint without a terminal."""
    if not sys.stdout.isatty():
        raise misuse('--watch needs a terminal: for programs there is "gleitzeitctl monitor --json"')
    with _hidden_cursor():
        while True:
            _draw(lines(os.get_terminal_size().lines - 1))
            time.sleep(EVERY)


def _draw(lines: list[str]) -> None:
    text = "".join(f"{line}{REST_OF_LINE}\n" for line in lines)
    print(f"{HOME}{text}{REST_OF_SCREEN}", end="", flush=True)


@contextmanager
def _hidden_cursor() -> Iterator[None]:
    print(f"{HIDE}{HOME}{REST_OF_SCREEN}", end="")
    try:
        yield
    finally:
        print(SHOW, end="", flush=True)

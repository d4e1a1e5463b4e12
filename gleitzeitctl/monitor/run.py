"""The loop between the keys, the daemon and the screen: one thread, which waits for all of them at once."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from gleitzeitctl.monitor import model, pressing
from gleitzeitctl.monitor.asking import Asking
from gleitzeitctl.monitor.keys import Keys
from gleitzeitctl.monitor.model import Page, State
from gleitzeitctl.monitor.paint import codes
from gleitzeitctl.monitor.screen import EndedError, Screen
from gleitzeitctl.monitor.view import drawn

TICK = 1.0
"""Seconds after which it is looked whether there is anything to say of a silent daemon."""
SHORTEST = 0.05
"""Seconds between two times that the daemon is listened to; keys are answered at once."""
ESCAPE = 0.05
"""Seconds within which the rest of a key comes."""


def watch(path: str, names: Sequence[str], first: Mapping[str, Any]) -> None:
    """Show it until the person at the terminal has seen enough. `first`: a look at what runs.

    A signal that ends the program ends it, as it does others, when the terminal is as it was.
    """
    state = model.told(_opening(names, first), dict(first))
    try:
        with Screen() as screen, closing(Asking(path, names)) as asking:
            _loop(screen, asking, state)
    except EndedError as exc:
        signal.signal(exc.number, signal.SIG_DFL)
        os.kill(os.getpid(), exc.number)


def _opening(names: Sequence[str], first: Mapping[str, Any]) -> State:
    """Of one provider its details are shown; there is no way back from them."""
    providers = {one["provider"] for one in first["instances"]}
    if names and len(providers) == 1:
        return State(pages=(Page.DETAILS,), provider=providers.pop())
    return State()


def _loop(screen: Screen, asking: Asking, state: State) -> None:
    keys, colours, has_unicode = Keys(), not os.environ.get("NO_COLOR"), shows_unicode(os.environ)
    shown, told_at = None, 0.0
    while not state.is_over:
        if screen.is_to_stop:
            screen.pause()
        if screen.has_resized:
            state = model.resized(state, *screen.size())
        now = time.monotonic()
        state = asking.step(state, now)
        if state is not shown:
            state, lines = drawn(state, has_unicode)
            screen.show([codes(line, colours, has_unicode) for line in lines])
            shown = state
        # A log that is written faster than anybody reads must not keep a processor busy.
        rest = told_at + SHORTEST - now
        heard: list[Any] = [0, screen.bell, *([] if rest > 0 else asking.exchanges)]
        waits = min(ESCAPE if keys.is_waiting else TICK, rest if rest > 0 else TICK)
        ready, _, _ = select.select(heard, [], [], waits)
        for key in keys.pressed(screen.read()) if 0 in ready else keys.rest():
            if key == "redraw":
                screen.forget()
            state = pressing.pressed(state, key)
        for one in ready:
            if one == screen.bell:
                screen.hush()
            elif one != 0:
                told_at = time.monotonic()
                state = asking.take(state, one, told_at)


def shows_unicode(environment: Mapping[str, str]) -> bool:
    """Whether the terminal is said to show more than ASCII.

    Where somebody wants C, Python makes it C.UTF-8 for itself and here, whatever the terminal has.
    """
    language = environment.get("LANG", "")
    kind = environment.get("LC_CTYPE", "")
    if kind == "C.UTF-8" and language in ("", "C", "POSIX"):
        kind = ""
    said = environment.get("LC_ALL") or kind or language
    return "utf8" in said.lower().replace("-", "")

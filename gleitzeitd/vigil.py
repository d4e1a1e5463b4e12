"""Feeds systemd's watchdog, and only while every part without which the daemon is of no use gets on.

The event loop shows that it does by running this; what else there is has a sign that it gives.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping

import anyio
import structlog

from gleitzeitd.systemd import Manager

log = structlog.get_logger("gleitzeitd")
SHARE = 4
"""Signs of life within the time after which the watchdog bites: one that is late harms nothing."""
AGAIN = 0.05
"""Seconds until it is looked for the dead again."""
ANSWER = b" 200 "
MUCH = 200
"""Bytes of an answer that are read, at most."""

Sign = Callable[[], Awaitable[object]]
"""Comes back once its part has got on since it was asked; raises OSError when it cannot."""


async def keep(manager: Manager, signs: Mapping[str, Sign]) -> None:
    """Until cancelled; at once when there is no watchdog. A part without a sign is named in the log."""
    beat = manager.watchdog / SHARE
    while beat:
        if silent := await _silent(signs, beat):
            log.error("not fed to the watchdog", silent=silent)
        else:
            manager.lives()
            await anyio.sleep(beat)


async def _silent(signs: Mapping[str, Sign], within: float) -> list[str]:
    """The parts that gave no sign in time."""
    silent = dict.fromkeys(signs)
    with anyio.move_on_after(within):
        async with anyio.create_task_group() as asking:
            for name, sign in signs.items():
                asking.start_soon(_heard, name, sign, silent)
    return list(silent)


async def _heard(name: str, sign: Sign, silent: dict[str, None]) -> None:
    try:
        await sign()
    except OSError as exc:
        log.warning("no sign of life", part=name, reason=str(exc))
        await anyio.sleep_forever()
    del silent[name]


async def answers(path: str) -> None:
    """The control socket lets somebody in, and says that the daemon lives. Raises OSError."""
    async with await anyio.connect_unix(path) as line:
        try:
            await line.send(b"GET /livez HTTP/1.0\r\n\r\n")
            said = await line.receive(MUCH)
        except (anyio.EndOfStream, anyio.BrokenResourceError) as exc:
            raise OSError("the control socket closed without an answer") from exc
        if ANSWER not in said:
            raise OSError(f"the control socket answered {said.partition(bytes([13]))[0]!r}")


async def the_dead_are_reaped() -> None:
    """Comes back once whoever is dead now has been reaped."""
    first = _dead()
    while True:
        if first is None or _dead() != first:
            return
        await anyio.sleep(AGAIN)


def _dead() -> int | None:
    """A child that has ended and was not reaped yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None

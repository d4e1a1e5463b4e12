"""Calls at the times of a cron expression, by the clock on the wall, whatever happens to that clock."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, tzinfo

import anyio
from cronsim import CronSim

LONGEST_SLEEP = 60.0
"""Seconds after which the clock is looked at again: it may have been set meanwhile."""
SET_BACK = 3 * 3600.0
"""Seconds by which a clock goes back at most for its minutes to count as had already, as cron(8) has it.
Beyond that it was wrong before, and what it showed then counts for nothing."""


async def on_schedule(
    expression: str,
    fire: Callable[[], None],
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> None:
    """Call at each time until cancelled; once when several have passed at once. Raises CronSimError."""
    latest = clock()
    due = following(expression, latest)
    while True:
        await sleep(min(LONGEST_SLEEP, max(0.0, due - clock())))
        now = clock()
        if now >= due:
            fire()
            due = following(expression, now)
        elif now < latest - SET_BACK:
            latest, due = now, following(expression, now)
        latest = max(latest, now)


def following(expression: str, after: float) -> float:
    """The first time after another one, as seconds since 1970; infinity when there is none."""
    times = CronSim(expression, datetime.fromtimestamp(after, LOCAL))
    # In the hour that a clock has twice, cronsim may name the one that is over.
    return next((at for found in times if (at := found.timestamp()) > after), math.inf)


class _Local(tzinfo):
    """The zone of this machine with all its rules: `astimezone()` alone knows only the offset of now."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, when: datetime | None) -> timedelta | None:
        return None

    def tzname(self, when: datetime | None) -> str | None:
        return None

    def fromutc(self, when: datetime) -> datetime:
        seconds = when.replace(tzinfo=UTC).timestamp()
        # Only without a zone does it say which of two equal hours it is.
        return datetime.fromtimestamp(seconds).replace(tzinfo=self)  # noqa: DTZ006


LOCAL = _Local()

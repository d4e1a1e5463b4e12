"""Whether a cron line is one, and whether its time ever comes."""

from __future__ import annotations

from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

_FIELDS = 'must be minute, hour, day of month, month and day of week, such as "30 4 * * 1-5"'
_NEVER = "is a time that never comes"
# A fixed year, so that a line is judged alike on every day.
_FROM = datetime(2000, 1, 1, tzinfo=UTC)


def wrong_with(line: str) -> str | None:
    fields = line.split()
    if len(fields) != 5:
        return _FIELDS
    try:
        next(CronSim(line, _FROM))
    except StopIteration:
        return _NEVER
    except (CronSimError, ValueError) as exc:
        return _NEVER if _each_is_right(*fields) else f"has a {str(exc).lower()}: {_FIELDS}"
    return None


def _each_is_right(minute: str, hour: str, day: str, month: str, weekday: str) -> bool:
    """Whether only day and month together are wrong: cronsim calls the 30th of February a bad day."""
    try:
        for line in (f"{minute} {hour} {day} * {weekday}", f"{minute} {hour} * {month} {weekday}"):
            CronSim(line, _FROM)
    except (CronSimError, ValueError):
        return False
    return True

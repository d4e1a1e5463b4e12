"""Times as people write them: `10m`, `05:10`, `2026-11-23 05:10`, or RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from gleitzeitctl.complaint import misuse

PART = r"(\d+)([smhdw])"
AGO = rf"(?:{PART})+"
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
CLOCK = r"\d\d?:\d\d(:\d\d)?"


def stamp(option: str, text: str, now: datetime | None = None) -> bytes:
    """As the records have it. `now`: local, with its zone. Raises Complaint for what is no time."""
    now = now or datetime.now().astimezone()
    try:
        when = _when(text.strip(), now).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        example = 'write it like 10m, 05:10, "2026-11-23 05:10" or 2026-11-23T05:10:00Z'
        raise misuse(f'{option} "{text:.40}" is no time: {example}') from exc
    return written(when)


def written(when: datetime | None = None) -> bytes:
    """A time, in UTC, as the records have it; without one now."""
    when = when or datetime.now(UTC)
    return when.isoformat(timespec="microseconds").replace("+00:00", "000Z").encode()


def read(time: bytes) -> datetime:
    """The time of a record. Raises ValueError for what is none."""
    return datetime.fromisoformat(time[:26].decode() + "+00:00")


def _when(text: str, now: datetime) -> datetime:
    if re.fullmatch(AGO, ago := text.removesuffix(" ago")):
        return now - sum(
            (timedelta(**{UNITS[unit]: int(n)}) for n, unit in re.findall(PART, ago)), timedelta()
        )
    if re.fullmatch(CLOCK, text):
        hour, minute, *second = map(int, text.split(":"))
        today = now.replace(hour=hour, minute=minute, second=second[0] if second else 0, microsecond=0)
        # in the morning `--since 23:00` means last night
        return today if today <= now else today - timedelta(days=1)
    return datetime.fromisoformat(text)  # one without a zone is local

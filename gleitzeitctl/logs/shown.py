"""How records look: as they came, with name and time before them; a structured log's JSON as a sentence."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from gleitzeitctl.logs.records import Record
from gleitzeitctl.render import as_json, coloured, is_seen

COLOURS = (36, 35, 34, 33, 32, 96, 95, 94, 93, 92)
"""Of names; red is for what is wrong."""
MOVES = re.compile(r"\x1b\[[0-9;:]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What could move a terminal's cursor, and colours, which may stay."""
MESSAGES = ("message", "msg", "event")
LEVELS = ("level", "levelname", "severity")
KNOWN = {*MESSAGES, *LEVELS, "time", "timestamp", "ts", "@timestamp", "asctime"}


def as_line(record: Record) -> str:
    """The object of the API."""
    line = record.line.decode("utf-8", "replace")
    told = {"instance": record.instance, "time": record.time.decode(), "stream": record.stream}
    return as_json({**told, "line": line, "partial": record.partial}) + "\n"


class Words:
    """For people."""

    def __init__(self, alone: str | None, width: int, times: bool) -> None:
        """`alone`: the only instance that is shown, which needs no name; `width`: of the names' column."""
        self._alone, self._width, self._times = alone, width, times
        self._unfinished: str | None = None

    def __call__(self, records: Iterable[Record]) -> Iterator[str]:
        return map(self._text, records)

    def _text(self, record: Record) -> str:
        goes_on = self._unfinished == record.instance
        before = "\n" if self._unfinished and not goes_on else ""
        end = "" if record.partial else "\n"
        self._unfinished = record.instance if record.partial else None
        return f"{before}{'' if goes_on else self._prefix(record)}{_readable(record)}{end}"

    def _prefix(self, record: Record) -> str:
        time = f"{local(record.time)} " if self._times else ""
        if record.instance == self._alone:
            return time
        self._width = max(self._width, len(record.instance))
        colour = COLOURS[zlib.crc32(record.instance.encode()) % len(COLOURS)]
        return time + coloured(f"{record.instance.ljust(self._width)} | ", colour)


def local(time: bytes) -> str:
    """`2026-11-23 05:10:12.345`, by the clock of whoever reads."""
    when = datetime.fromisoformat(time[:26].decode() + "+00:00").astimezone()
    return when.isoformat(" ", "milliseconds")[:23]


def _readable(record: Record) -> str:
    text = record.line.decode("utf-8", "replace")
    if not record.partial and text.startswith("{") and (sentence := _sentence(text)):
        text = sentence
    return MOVES.sub(_harmless, text) if is_seen() else text


def _sentence(text: str) -> str:
    """What a structured log says: `WARNING disk is full free=0`; empty for what is none."""
    try:
        told: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    message = _first(told, MESSAGES)
    if not isinstance(message, str):
        return ""
    level = _first(told, LEVELS)
    rest = [f"{key}={_flat(value)}" for key, value in told.items() if key not in KNOWN]
    return " ".join([*([level.upper()] if isinstance(level, str) else []), message, *rest])


def _first(told: dict[str, Any], keys: Iterable[str]) -> Any:
    return next((told[key] for key in keys if key in told), None)


def _flat(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else as_json(value)


def _harmless(found: re.Match[str]) -> str:
    return found[0] if found[0].endswith("m") and len(found[0]) > 1 else "?"

"""How records look: as they came, with name and time before them; a structured log's JSON as a sentence."""

from __future__ import annotations

import json
import re
import zlib
from binascii import b2a_base64
from collections.abc import Iterable, Iterator
from typing import Any

from gleitzeitctl.logs.records import Record
from gleitzeitctl.logs.times import read
from gleitzeitctl.render import as_json, coloured, cut, is_seen, terminal_width

COLOURS = (36, 35, 34, 33, 32, 96, 95, 94, 93, 92)
"""Of names; red is for what is wrong."""
COLOURING = r"\x1b\[[0-9;:]*m"
PLAIN = "\x1b[0m"
MOVES = rf"{COLOURING}|[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
"""What could move a terminal's cursor or is no text, and colours, which may stay."""
MESSAGES = ("message", "msg", "event")
LEVELS = ("level", "levelname", "severity")
TIMES = {"time", "timestamp", "ts", "@timestamp", "asctime"}
INDENT = "\n    "
"""Before the further lines of one that is shown as several, such as a traceback."""


def as_line(record: Record) -> str:
    """The object of the API."""
    line = record.line.decode("utf-8", "replace")
    told = {
        "instance": record.instance,
        "time": record.time.decode(),
        "stream": record.stream,
        "line": line,
        "partial": record.partial,
    }
    if "\ufffd" in line:
        told["raw"] = b2a_base64(record.line, newline=False).decode()
    return as_json(told) + "\n"


class Words:
    """For people. What is no UTF-8 is in them as surrogates, so that a pipe gets the bytes that came."""

    def __init__(self, alone: str | None, width: int, times: bool) -> None:
        """`alone`: the only instance that is shown, which needs no name; `width`: of the names' column."""
        self._alone, self._times = alone, times
        self._most = max(terminal_width() // 3, 8)
        self._width = min(width, self._most)
        self._open: tuple[str, str] | None = None
        """Whose line was not at its end when it was printed."""

    def __call__(self, records: Iterable[Record]) -> Iterator[str]:
        yield from map(self._text, records)
        if self._open:
            yield "\n"

    def _text(self, record: Record) -> str:
        source = (record.instance, record.stream)
        goes_on = self._open == source
        before = "\n" if self._open and not goes_on else ""
        end = "" if record.partial else "\n"
        self._open = source if record.partial else None
        return f"{before}{'' if goes_on else self._prefix(record)}{_readable(record, goes_on)}{end}"

    def _prefix(self, record: Record) -> str:
        time = f"{local(record.time)} " if self._times else ""
        if record.instance == self._alone:
            return time
        self._width = min(max(self._width, len(record.instance)), self._most)
        colour = COLOURS[zlib.crc32(record.instance.encode()) % len(COLOURS)]
        return time + coloured(f"{cut(record.instance, self._width).ljust(self._width)} | ", colour)


def local(time: bytes) -> str:
    """`2026-11-23 05:10:12.345`, by the clock of whoever reads."""
    try:
        return read(time).astimezone().isoformat(" ", "milliseconds")[:23]
    except (ValueError, OverflowError):
        return time.decode("ascii", "replace")


def _readable(record: Record, goes_on: bool) -> str:
    text = record.line.decode("utf-8", "surrogateescape")
    if not (record.partial or goes_on) and text.startswith("{"):
        text = _sentence(text) or text
    if not is_seen():
        return text
    shown = re.sub(MOVES, _harmless, text)
    # a colour that is left on would go over to the next line, which may be another's
    return shown + PLAIN if re.search(COLOURING, shown) and not shown.endswith(PLAIN) else shown


def _sentence(text: str) -> str:
    """What a structured log says: `WARNING disk is full free=0`; empty for what is none."""
    try:
        told: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    message, level = (_key(told, keys) for keys in (MESSAGES, LEVELS))
    if message is None:
        return ""
    rest = {key: value for key, value in told.items() if key not in TIMES and key not in (message, level)}
    long = {key: value for key, value in rest.items() if isinstance(value, str) and "\n" in value}
    words = [
        *([told[level].upper()] if level else []),
        told[message],
        *(f"{key}={_flat(value)}" for key, value in rest.items() if key not in long),
    ]
    # what is several lines, such as a traceback, is easier to read as such
    return INDENT.join(line for part in (" ".join(words), *long.values()) for line in part.splitlines())


def _key(told: dict[str, Any], keys: Iterable[str]) -> str | None:
    """The first of them that has a text."""
    return next((key for key in keys if isinstance(told.get(key), str)), None)


def _flat(value: object) -> str:
    return value if isinstance(value, str) and value and " " not in value else as_json(value)


def _harmless(found: re.Match[str]) -> str:
    return found[0] if found[0].endswith("m") and len(found[0]) > 1 else "?"

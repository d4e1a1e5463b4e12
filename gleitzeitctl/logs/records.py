"""One line of output as the files have it: the CRI format, `<RFC 3339 time> stdout|stderr F|P <line>`."""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from typing import NamedTuple

LITERAL = re.compile(rb"[^\\.^$*+?{}\[\]|()]+")
"""A regular expression that means itself."""
OF_ONE_LINE = re.compile(rb"(?<!\[)\^|\\[AZ]|\(\?<?[=!]")
"""What means another place where there are many lines."""
Finder = Callable[[mmap.mmap | bytes, int], int]
STREAMS = (b"stdout", b"stderr")


class Record(NamedTuple):
    """A line, or a part of one. Times are RFC 3339 in UTC and of one length, so they sort as text."""

    time: bytes
    instance: str
    stream: str
    line: bytes
    partial: bool


class Wanted(NamedTuple):
    """Which records somebody asked for; times are as in the records, the second is not part of it."""

    since: bytes = b""
    until: bytes = b""
    stream: str = ""
    grep: re.Pattern[bytes] | None = None

    def finder(self) -> Finder | None:
        """Finds where in many lines a wanted one may lie next; None where each has to be tried."""
        if self.grep is None:
            return None
        pattern = self.grep.pattern
        if LITERAL.fullmatch(pattern):
            return lambda data, at: data.find(pattern, at)
        if OF_ONE_LINE.search(pattern.removeprefix(b"^")):
            return None
        # a record begins before the line in it does, so its beginning is no place to look for
        loose = re.compile(pattern.removeprefix(b"^"), re.MULTILINE)
        return lambda data, at: found.start() if (found := loose.search(data, at)) else -1

    def fits(self, record: Record) -> bool:
        return (
            record.time >= self.since
            and (not self.until or record.time < self.until)
            and self.stream in ("", record.stream)
            and (self.grep is None or self.grep.search(record.line) is not None)
        )


def parse(instance: str, raw: bytes) -> Record | None:
    """None for a line that is none of ours, as what a full disk tore."""
    parts = raw.split(b" ", 3)
    if len(parts) != 4 or parts[1] not in STREAMS or parts[2] not in (b"F", b"P"):
        return None
    return Record(parts[0], instance, parts[1].decode(), parts[3], parts[2] == b"P")

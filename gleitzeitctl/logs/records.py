"""One line of output as the files have it: the CRI format, `<RFC 3339 time> stdout|stderr F|P <line>`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gleitzeitctl.logs.grep import Search

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
    grep: Search | None = None

    @property
    def needles(self) -> tuple[bytes, ...]:
        """One of them is in each line of a file that is wanted; empty when nothing is known of these."""
        if self.grep and self.grep.needles:
            return self.grep.needles
        return (b" %s " % self.stream.encode(),) if self.stream else ()

    @property
    def ignores_case(self) -> bool:
        return self.grep is not None and self.grep.ignores_case

    def fits(self, record: Record) -> bool:
        return (
            record.time >= self.since
            and (not self.until or record.time < self.until)
            and self.stream in ("", record.stream)
            and (self.grep is None or self.grep.fits(record.line))
        )


def parse(instance: str, raw: bytes) -> Record | None:
    """None for a line that is none of ours, as what a full disk tore."""
    parts = raw.split(b" ", 3)
    if len(parts) != 4 or parts[1] not in STREAMS or parts[2] not in (b"F", b"P"):
        return None
    return Record(parts[0], instance, parts[1].decode(), parts[3], parts[2] == b"P")

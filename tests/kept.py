"""I5: what a child wrote is what its log files have, and what was counted as dropped.

The files are in the CRI log format, `<time> stdout|stderr F|P <text>`; F ends a line, P a part of one.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_RECORD = re.compile(rb"(\S+) (stdout|stderr) ([FP]) (.*)", re.DOTALL)
NOTICE = re.compile(rb"gleitzeit: \d+ bytes were dropped here")
"""How a line begins in which the daemon itself says, at the place, that something is missing."""


class Entry(NamedTuple):
    """One record of a log file."""

    stream: str
    is_whole: bool
    """It ends its line, which a part does not."""
    text: bytes

    @property
    def size(self) -> int:
        """The bytes it stands for, as the child wrote them."""
        return len(self.text) + self.is_whole


def files(directory: Path, name: str) -> list[Path]:
    """The instance's log files, oldest first: `name.log.2.gz`, `name.log.1`, `name.log`."""
    ours = re.compile(rf"{re.escape(name)}\.log(?:\.(\d+)(?:\.gz)?)?")
    # Where the compressed one is there already, the other is about to go.
    by_number = {
        int(found[1] or 0): path
        for path in sorted(directory.iterdir())
        if (found := ours.fullmatch(path.name))
    }
    return [by_number[number] for number in sorted(by_number, reverse=True)]


def entries(directory: Path, name: str) -> Iterator[Entry]:
    """All that was kept of the instance's output, in its order; what is not its own is left out."""
    for path in files(directory, name):
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for line in lines:
                record = _RECORD.fullmatch(line.removesuffix(b"\n"))
                if record and not NOTICE.match(record[4]):
                    yield Entry(record[2].decode(), record[3] == b"F", record[4])


def kept(directory: Path, name: str, *, width: int | None = None) -> int:
    """Bytes of the child's in its log files.

    Where a full disk may have torn records, `width` is what every line has: a shorter one lost its end.
    """
    return sum(
        len(entry.text) if width is not None and len(entry.text) < width else entry.size
        for entry in entries(directory, name)
    )

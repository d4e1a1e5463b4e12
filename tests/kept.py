"""I5: what a child wrote is what its log files have, and what was counted as dropped.

The files are in the CRI log format, `<time> stdout|stderr F|P <text>`; F ends a line, P a part of one.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

_RECORD = re.compile(rb"(\S+) (stdout|stderr) ([FP]) (.*)", re.DOTALL)
_NUMBER = re.compile(rb"#(\d+) ")
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


def numbers(directory: Path, name: str) -> dict[str, list[int]]:
    """The numbers of the lines that were kept, by stream and in their order: a numbered line begins `#7 `."""
    found, begins = defaultdict[str, list[int]](list), defaultdict[str, bool](lambda: True)
    for entry in entries(directory, name):
        if begins[entry.stream] and (number := _NUMBER.match(entry.text)):
            found[entry.stream].append(int(number[1]))
        begins[entry.stream] = entry.is_whole
    return found


def misplaced(directory: Path, name: str, wrote: Mapping[str, int], *, gaps: bool) -> list[str]:
    """What is wrong with the kept lines, of which each stream got `wrote`, numbered from 0.

    With `gaps` some may be missing, but none may come twice or before one that was written earlier.
    """
    found = numbers(directory, name)
    return [
        f"{stream} of {name} has {len(lines)} of {count} lines, wrong from place {place}: {lines[place:][:3]}"
        for stream, count in wrote.items()
        if (place := _first_wrong(lines := found[stream], count, gaps)) is not None
    ]


def _first_wrong(lines: list[int], count: int, gaps: bool) -> int | None:
    """The first place at which a line is missing, comes again, or comes too late."""
    before = -1
    for place, number in enumerate(lines):
        if not before < number < count or not (gaps or number == before + 1):
            return place
        before = number
    return None if gaps or len(lines) == count else len(lines)


def kept(directory: Path, name: str, *, width: int | None = None) -> int:
    """Bytes of the child's in its log files.

    Where a full disk may have torn records, `width` is what every line has: a shorter one lost its end.
    """
    return sum(
        len(entry.text) if width is not None and len(entry.text) < width else entry.size
        for entry in entries(directory, name)
    )

"""A look through a tree for names and for text, which ends early rather than late.

Only plain text is looked for: Python's regular expressions cannot be interrupted, hold up every thread of the
process, and may take longer than the universe has for a pattern of twenty characters.
"""

from __future__ import annotations

import fnmatch
import io
import os
import re
import time
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import islice
from threading import Event
from typing import Any

from gleitzeit_extensions import InvalidRequest
from providers.file_roots import Place, is_shown, kind, listable, opened
from providers.file_writing import DEEPEST

MOST_ENTRIES = 200_000
MOST_BYTES = 512 * 1024 * 1024
LARGEST_FILE = 16 * 1024 * 1024
"""Bytes at the beginning of a file in which text is looked for."""

LONGEST_LINE = 400
"""Characters of a line that are shown."""

LINES = 10_000
"""Lines of a file after which is seen whether there is time left."""

NOTHING = re.compile(r"(?!)")
"""Matches no name."""

_LOOKS_BINARY = 8192
_MOST_PARTS = 50

Item = dict[str, Any]


class Pattern:
    """A glob: `*`, `?` and `[...]` within a name, `**` for any number of directories.

    A pattern without a `/` is for names wherever they are.
    """

    def __init__(self, text: str) -> None:
        parts = text.split("/")
        if len(text) > 1000 or len(parts) > _MOST_PARTS or "" in parts:
            raise InvalidRequest(f'the glob "{text:.100}" is none: write it like **/*.txt, below the path')
        if len(parts) == 1:
            parts.insert(0, "**")
        self._parts = [None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts]

    def fits(self, names: tuple[str, ...]) -> bool:
        """In linear steps for each `**`: only the last one met can help, so it alone is gone back to."""
        at = wanted = 0
        back: tuple[int, int] | None = None
        while at < len(names):
            part = self._parts[wanted] if wanted < len(self._parts) else NOTHING
            if part is None:
                back = (at, wanted)
                wanted += 1
            elif part.match(names[at]):
                at, wanted = at + 1, wanted + 1
            elif back:
                at, wanted = back[0] + 1, back[1] + 1
                back = (at, back[1])
            else:
                return False
        return not any(self._parts[wanted:])


@dataclass
class Search:
    """One look below one directory; `ends_at` is by the monotonic clock."""

    pattern: Pattern
    text: str
    ignore_case: bool
    limit: int
    ends_at: float
    stopped: Event
    matches: list[Item] = field(default_factory=list)
    entries: int = 0
    bytes: int = 0
    skipped: int = 0
    """Files that were not looked into as a whole: binary, too large, or not to be read."""
    cut: str = ""
    """Why it ended early."""

    def run(self, directory: int, place: Place) -> Item:
        handle = listable(directory)
        try:
            with closing(self._walk(handle, place)) as found:
                for inner, one in found:
                    self._look(inner, one, one.parts[len(place.parts) :])
                    if self._is_over():
                        break
        finally:
            os.close(handle)
        answer = {"matches": self.matches, "entries": self.entries, "skipped": self.skipped}
        return answer | {"truncated": bool(self.cut), **({"reason": self.cut} if self.cut else {})}

    def _walk(self, handle: int, place: Place, depth: int = 0) -> Generator[tuple[int, Place], None, None]:
        """Everything below, in the order of names, with the directory it is in; no link is followed."""
        with os.scandir(handle) as entries:
            some = list(islice(entries, MOST_ENTRIES - self.entries + 1))
        for entry in sorted(some, key=lambda entry: entry.name):
            if is_shown(entry.name):
                self.entries += 1
                below = place.below(entry.name)
                yield handle, below
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(handle, below, depth + 1)

    def _below(self, handle: int, place: Place, depth: int) -> Generator[tuple[int, Place], None, None]:
        """What cannot be opened, or is too deep, is skipped."""
        inner = -1
        with suppress(OSError):
            inner = listable(handle, place.parts[-1]) if depth < DEEPEST else -1
        if inner < 0:
            self.skipped += 1
            return
        try:
            yield from self._walk(inner, place, depth)
        finally:
            os.close(inner)

    def _look(self, directory: int, place: Place, names: tuple[str, ...]) -> None:
        if not self.pattern.fits(names):
            return
        try:
            status = os.stat(place.parts[-1], dir_fd=directory, follow_symlinks=False)
            if not self.text:
                self._found({"path": str(place), "type": kind(status), "size": status.st_size})
            elif kind(status) == "file":
                self._read(directory, place)
        except OSError:
            self.skipped += 1

    def _read(self, directory: int, place: Place) -> None:
        handle = opened(directory, place.parts[-1], os.O_RDONLY)
        with open(handle, "rb", buffering=0) as file:
            data = file.read(_LOOKS_BINARY)
            if b"\0" in data:
                self.skipped += 1
                return
            while len(data) < LARGEST_FILE and (more := file.read(LARGEST_FILE - len(data))):
                data += more
            self.skipped += len(data) == LARGEST_FILE
        self.bytes += len(data)
        folded = _folding(ignore_case=self.ignore_case)
        text, wanted = data.decode("utf-8", "replace"), folded(self.text)
        if wanted not in folded(text):
            return
        # Not split at once: millions of short lines take many times the memory of their file.
        for number, line in enumerate(io.StringIO(text, newline="\n"), 1):
            is_found = wanted in folded(line.removesuffix("\n"))
            if is_found:
                shown = line.removesuffix("\n")[:LONGEST_LINE]
                self._found({"path": str(place), "line": number, "text": shown})
            if (is_found or not number % LINES) and self._is_over():
                return

    def _found(self, match: Item) -> None:
        if len(self.matches) == self.limit:
            self.cut = f"there are more than {self.limit} matches"
        else:
            self.matches.append(match)

    def _is_over(self) -> bool:
        if not self.cut:
            reasons = {
                "it took too long": time.monotonic() > self.ends_at or self.stopped.is_set(),
                f"there are more than {MOST_ENTRIES} entries": self.entries > MOST_ENTRIES,
                f"there are more than {MOST_BYTES} bytes to read": self.bytes > MOST_BYTES,
            }
            self.cut = next((reason for reason, is_so in reasons.items() if is_so), "")
        return bool(self.cut)


def _folding(*, ignore_case: bool) -> Callable[[str], str]:
    return str.casefold if ignore_case else str

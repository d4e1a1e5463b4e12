"""The files beneath a provider's roots: which there are, which a name means, and what lies in them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from gleitzeit_extensions import InvalidRequest

READERS = {
    ".csv": "read_csv",
    ".tsv": "read_csv",
    ".parquet": "read_parquet",
    ".json": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
"""What reads a file, by how its name ends."""

PACKED = (".gz", ".zst")

MOST_ENTRIES = 20_000
"""Directory entries that one look at the roots takes in."""


LONGEST_PATTERN = 4096
"""Characters; no path is longer, and to understand one takes time."""


def format_of(path: Path) -> str | None:
    """How its name ends, such as `.csv`, whether it is packed or not; None for a file that is no data."""
    name = path.name.lower()
    for end in PACKED:
        name = name.removesuffix(end)
    suffix = PurePosixPath(name).suffix
    return suffix if suffix in READERS else None


class Roots:
    """Directories; nothing beyond them is read or written. Names are relative to the first, or absolute."""

    def __init__(self, roots: Sequence[str]) -> None:
        if not roots:
            raise ValueError("roots is empty: name the directories that may be read")
        self.paths = [Path(root).expanduser().resolve() for root in roots]
        for path in self.paths:
            if not path.is_dir():
                raise ValueError(f'roots has "{path}", which is no directory')

    def file(self, name: str) -> Path:
        """The file of that name, without links on the way to it."""
        path = self._beneath(name)
        if not _is(path, stat.S_ISREG):
            raise InvalidRequest(f'there is no file "{name:.200}" in the roots: `files` lists what there is')
        if format_of(path) is None:
            raise InvalidRequest(f'"{name:.200}" is no data file: its name ends in none of {_ENDS}')
        return path

    def target(self, name: str) -> Path:
        """Where a file of that name is to be written; its directory exists."""
        path = self._beneath(name)
        if _is(path, stat.S_ISDIR) or not _is(path.parent, stat.S_ISDIR):
            raise InvalidRequest(
                f'"{name:.200}" cannot be written: it has to be a file in a directory that exists'
            )
        return path

    def shown(self, path: Path) -> str:
        """The name by which callers know it."""
        first = self.paths[0]
        return str(path.relative_to(first)) if path.is_relative_to(first) else str(path)

    def matching(self, pattern: str) -> Iterator[tuple[Path, os.stat_result]]:
        """The data files whose names are like this; files behind links to other places are none."""
        if len(pattern) > LONGEST_PATTERN:
            raise InvalidRequest(f"the pattern has more than {LONGEST_PATTERN:,} characters")
        parts = PurePosixPath(pattern).parts
        if parts.count("**") > 1:
            raise InvalidRequest('a pattern has one "**" at most')
        for root in self.paths:
            for path in self._walk(root):
                if format_of(path) is None or not _is_like(path.relative_to(root).parts, parts):
                    continue
                real = _real(path)
                if self._has(real) and (found := _stat(real)) and stat.S_ISREG(found.st_mode):
                    yield path, found

    def link_outwards(self) -> Path | None:
        """A symbolic link beneath the roots that leads elsewhere."""
        for root in self.paths:
            for path in self._walk(root):
                if path.is_symlink() and not self._has(_real(path)):
                    return path
        return None

    def _beneath(self, name: str) -> Path:
        try:
            path = (self.paths[0] / name).resolve()
        except (OSError, RuntimeError, ValueError) as exc:  # too long, links in a circle, a NUL
            raise InvalidRequest("the name of the file cannot be one") from exc
        if not self._has(path):
            raise InvalidRequest(
                f'"{name:.200}" is not in the roots: they are {", ".join(map(str, self.paths))}'
            )
        return path

    def _has(self, path: Path) -> bool:
        return any(path.is_relative_to(root) for root in self.paths)

    def _walk(self, root: Path) -> Iterator[Path]:
        seen = 0
        for place, directories, files in os.walk(root):
            directories.sort()
            for name in (*directories, *sorted(files)):
                if (seen := seen + 1) > MOST_ENTRIES:
                    raise InvalidRequest(
                        f'there are more than {MOST_ENTRIES:,} files in "{root}": name a smaller root'
                    )
                yield Path(place, name)


def _is_like(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if "**" in pattern:
        at = pattern.index("**")
        ends = len(pattern) - at - 1
        if len(path) < at + ends:
            return False
        return _is_like(path[:at], pattern[:at]) and _is_like(path[len(path) - ends :], pattern[at + 1 :])
    return len(path) == len(pattern) and all(map(fnmatchcase, path, pattern))


def _is(path: Path, kind: Callable[[int], bool]) -> bool:
    found = _stat(path)
    return found is not None and kind(found.st_mode)


def _real(path: Path) -> Path:
    """Without links; `resolve` would fail at one that leads to itself."""
    return Path(os.path.realpath(path))


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:  # it has just gone, or its name is too long for one
        return None


_ENDS = ", ".join(READERS)

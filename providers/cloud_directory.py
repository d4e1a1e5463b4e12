"""A directory as a store of objects: which paths stay inside, and its files in the order of their paths.

obstore would follow links out of it, lists in no order, and not at all where one name is no Unicode.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

Item = dict[str, Any]

_HALF_WRITTEN = re.compile(r"#\d+$")
"""What obstore calls a file until it is whole; it reads none of that name."""


class Directory:
    """Raises ValueError for a URL that names none."""

    def __init__(self, url: str) -> None:
        path = Path(unquote(urlsplit(url).path))
        if not path.is_dir():
            raise ValueError(f"config.url: there is no directory {path}")
        self.path = path.resolve()

    def has(self, path: str) -> bool:
        """Whether a path stays inside, whatever links are on its way."""
        return Path(os.path.realpath(self.path / path.strip("/"))).is_relative_to(self.path)

    def listed(self, prefix: str, most: int, after: str) -> list[Item]:
        """Links are passed by: they may lead out, or in a circle."""
        top = self.path / prefix.strip("/")
        if not top.is_dir():
            return []
        paths = ((str(path.relative_to(self.path)), path) for path in _below(top))
        items = (_described(name, path) for name, path in paths if name > after)
        return list(islice((item for item in items if item), most))

    def direct(self, prefix: str) -> tuple[list[str], list[Item]]:
        """The folders directly below, and the files."""
        top = self.path / prefix.strip("/")
        entries = [(one, Path(one.path)) for one in _entries(top)] if top.is_dir() else []
        named = [(one, str(path.relative_to(self.path)), path) for one, path in entries]
        files = [_described(name, path) for one, name, path in named if not _is_folder(one)]
        return [name for one, name, _ in named if _is_folder(one)], [item for item in files if item]


def _below(top: Path) -> Iterator[Path]:
    for entry in _entries(top):
        if _is_folder(entry):
            yield from _below(Path(entry.path))
        else:
            yield Path(entry.path)


def _entries(top: Path) -> list[os.DirEntry[str]]:
    """Folders, and files that have the name of an object. What is gone meanwhile is no error."""
    with suppress(FileNotFoundError), os.scandir(top) as entries:
        # A folder sorts as if its name ended with a slash, as the paths in it do.
        return sorted(
            filter(_is_listed, entries), key=lambda one: f"{one.name}/" if _is_folder(one) else one.name
        )
    return []


def _is_listed(entry: os.DirEntry[str]) -> bool:
    if not entry.name.isprintable() or _HALF_WRITTEN.search(entry.name):
        return False
    return _is_folder(entry) or entry.is_file(follow_symlinks=False)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _described(name: str, path: Path) -> Item | None:
    try:
        known = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    modified = datetime.fromtimestamp(known.st_mtime, UTC)
    return {"path": name, "size": known.st_size, "modified": modified.isoformat(), "etag": None}

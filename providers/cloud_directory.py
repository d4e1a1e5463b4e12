"""A directory as a store of objects: which paths stay inside, and its files in the order of their paths.

obstore would follow links out of it, and lists in no order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

Item = dict[str, Any]


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
        found = islice(((name, path) for name, path in paths if name > after), most)
        return [_described(name, path) for name, path in found]


def _below(top: Path) -> Iterator[Path]:
    with os.scandir(top) as entries:
        # A folder sorts as if its name ended with a slash, as the paths in it do.
        in_order = sorted(entries, key=lambda one: f"{one.name}/" if _is_folder(one) else one.name)
    for entry in in_order:
        if _is_folder(entry):
            yield from _below(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _described(name: str, path: Path) -> Item:
    known = path.stat()
    modified = datetime.fromtimestamp(known.st_mtime, UTC)
    return {"path": name, "size": known.st_size, "modified": modified.isoformat(), "etag": None}

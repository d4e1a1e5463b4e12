"""Which names, in which directories, decide what a path leads to, and what they look like now.

Any name on the way may be a link, and any directory may be renamed away: a ConfigMap is replaced by renaming
a link beside the file, and a deployment by changing one of the directories above it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

_MOST_LINKS = 40
"""As the kernel follows; more are a ring."""


@dataclass(frozen=True, slots=True)
class Names:
    """The entries of a directory that matter. Without any, it matters only that it stays where it is."""

    exact: frozenset[str] = frozenset()
    """An empty one: what is written to the file that stands in the directory's place."""
    endings: tuple[str, ...] = ()
    """Hidden files never match these: editors keep theirs under such names."""

    def __contains__(self, name: str) -> bool:
        return name in self.exact or (name.endswith(self.endings) and not name.startswith("."))

    def __bool__(self) -> bool:
        return bool(self.exact or self.endings)

    def __or__(self, other: Names) -> Names:
        return Names(self.exact | other.exact, tuple(dict.fromkeys(self.endings + other.endings)))


Places: TypeAlias = Mapping[str, Names]
"""The names that matter, by the path, free of links, of the directory they are in."""


class Survey:
    """Collects the places of several paths."""

    def __init__(self) -> None:
        self.places: dict[str, Names] = {}

    def add(self, directory: str, names: Names) -> None:
        self.places[directory] = self.places.get(directory, Names()) | names

    def follow(self, path: str, start: str | None = None) -> str | None:
        """The path free of links, or None where it leads nowhere; all that decides this is added.

        A relative path begins at `start`, which is free of links itself, or at the current directory.
        """
        here, rest, links = "/" if path.startswith("/") else start or os.getcwd(), _parts(path), 0
        while rest:
            name = rest.pop()
            if name == "..":
                here = os.path.dirname(here)
                continue
            entry = os.path.join(here, name)
            target = _target(entry)
            is_named = target is not None or not rest
            self.add(here, Names(frozenset((name,))) if is_named else Names())
            if target is None:
                here = entry
                continue
            links += 1
            if not target or links > _MOST_LINKS:
                return None
            rest += _parts(target)
            if target.startswith("/"):
                here = "/"
        return here


def _parts(path: str) -> list[str]:
    """The names in the path, the first one last."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _target(entry: str) -> str | None:
    """Where the link leads; None: it is no link; empty: nothing is there that one could follow."""
    try:
        return os.readlink(entry)
    except OSError as exc:
        return None if exc.errno == errno.EINVAL else ""


def look(places: Places) -> frozenset[tuple[str, tuple[int, ...]]]:
    """Every entry that matters as it is now: two looks differ where something was saved between them."""
    paths = {path for place, names in places.items() for path in _paths(place, names)}
    return frozenset((path, seen) for path in paths if (seen := _stat(path)))


def _paths(place: str, names: Names) -> set[str]:
    paths = {os.path.join(place, name) if name else place for name in names.exact}
    if names.endings:
        with suppress(OSError):
            paths |= {os.path.join(place, name) for name in os.listdir(place) if name in names}
    return paths


def _stat(path: str) -> tuple[int, ...]:
    try:
        found = os.lstat(path)
    except OSError:
        return ()
    if stat.S_ISDIR(found.st_mode):
        # Its times change with every file in it.
        return found.st_dev, found.st_ino, found.st_mode
    return found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns

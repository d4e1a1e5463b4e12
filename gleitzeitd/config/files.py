"""What the files of a config say, and the way back to what they once said."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from gleitzeitd.config.gather import DIRECTORY, gather
from gleitzeitd.config.rewrite import RewriteError, replace

ASIDE = ".rolled-back"
_BOM = b"\xef\xbb\xbf"


def texts(main: str) -> dict[str, str]:
    """What the files say, by their names seen from the main one's directory. Raises ConfigError."""
    # a file that is no text is what a rollback is for
    return {_name(main, path): raw.decode("utf-8-sig", "replace") for path, raw in gather(main)}


def write_back(main: str, files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Make the config's files those that are given; each path that is dealt with, and what was done.

    What is to be no file of it is moved aside. Raises ConfigError, or RewriteError at the first that fails.
    """
    wanted = {_path(main, name): text.encode() for name, text in files.items()}
    there = dict(gather(main))
    for path, new in wanted.items():
        was = there.get(path)
        if was is None or was.removeprefix(_BOM) != new:
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            replace(path, was, new, like=main if was is None else None)
            yield path, "restored"
    for path in [path for path in there if path not in wanted]:
        yield path, f"moved to {_moved_aside(path)}"


def _moved_aside(path: str) -> str:
    number = 0
    while os.path.lexists(aside := f"{path}{ASIDE}{f'.{number}' if number else ''}"):
        number += 1
    try:
        os.rename(path, aside)
    except OSError as exc:
        raise RewriteError(f"{path}: cannot be moved to {aside}: {exc.strerror}") from exc
    return aside


def _name(main: str, file: str) -> str:
    return os.path.relpath(file, os.path.dirname(main) or ".")


def _path(main: str, name: str) -> str:
    """Where the file is: never anywhere but at the main one's place or in `providers.d`."""
    directory, base = os.path.dirname(main), os.path.basename(name)
    path = os.path.join(directory, DIRECTORY, base) if name != os.path.basename(main) else main
    if name != _name(main, path):
        raise RewriteError(f"{name}: is no file of {main}: it cannot be written back")
    return path

"""What the files of a config say, and the way back to what they once said."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress

from gleitzeitd.config.gather import DIRECTORY, gather, is_one
from gleitzeitd.config.rewrite import RewriteError, replace
from gleitzeitd.config.source import read_bytes
from gleitzeitd.core.errors import ConfigError

ASIDE = ".rolled-back"
_BOM = b"\xef\xbb\xbf"


def texts(main: str) -> dict[str, str]:
    """What the files say, by their names seen from the main one's directory. Raises ConfigError."""
    return {_name(main, path): _text(raw) for path, raw in gather(main)}


def on_disk(main: str) -> dict[str, str | None]:
    """As `texts`, of whatever is there: None for what cannot be read, such as a directory."""
    return {_name(main, path): None if raw is None else _text(raw) for path, raw in _there(main).items()}


def write_back(
    main: str, files: Mapping[str, str], kept: Collection[Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    """Make the config's files those that are given; each path that is dealt with, and what was done.

    What is to be no file of it, or is none that can be read, is moved aside; what is in none of the `kept`
    is left beside. Raises RewriteError at the first that fails.
    """
    wanted = {_path(main, name): text.encode() for name, text in files.items()}
    there = _there(main)
    for path, new in wanted.items():
        was = there.get(path)
        if was is not None and was.removeprefix(_BOM) == new:
            continue
        lost = path in there and not (was and any(_holds(one, _name(main, path), was) for one in kept))
        aside = _saved(path, was) if lost else ""
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        replace(path, was, new, like=aside or main if was is None else None)
        yield path, f"restored; what was there is in {aside}" if aside else "restored"
    for path in [path for path in there if path not in wanted]:
        yield path, f"moved to {_moved_aside(path)}"


def _there(main: str) -> dict[str, bytes | None]:
    """What is at the paths of the config's files; None for what cannot be read."""
    found = [main] if os.path.lexists(main) else []
    # Whatever is wrong with that directory, there is nothing in it to be put back or aside.
    with suppress(OSError), os.scandir(os.path.join(os.path.dirname(main), DIRECTORY)) as entries:
        found += sorted(entry.path for entry in entries if is_one(entry))
    return {path: _held(path) for path in found}


def _holds(version: Mapping[str, str], name: str, raw: bytes) -> bool:
    return name in version and version[name].encode() == raw.removeprefix(_BOM)


def _held(path: str) -> bytes | None:
    try:
        return read_bytes(path)
    except ConfigError:
        return None


def _saved(path: str, raw: bytes | None) -> str:
    """The name beside the path under which what is there is found from now on; none for nothing."""
    if not raw:
        return _moved_aside(path) if raw is None else ""
    aside = _aside(path)
    replace(aside, None, raw, like=path)
    return aside


def _moved_aside(path: str) -> str:
    aside = _aside(path)
    try:
        os.rename(path, aside)
    except OSError as exc:
        raise RewriteError(f"{path}: cannot be moved to {aside}: {exc.strerror}") from exc
    return aside


def _aside(path: str) -> str:
    number = 0
    while os.path.lexists(aside := f"{path}{ASIDE}{f'.{number}' if number else ''}"):
        number += 1
    return aside


def _text(raw: bytes) -> str:
    # a file that is no text is what a rollback is for
    return raw.decode("utf-8-sig", "replace")


def _name(main: str, file: str) -> str:
    return os.path.relpath(file, os.path.dirname(main) or ".")


def _path(main: str, name: str) -> str:
    """Where the file is: never anywhere but at the main one's place or in `providers.d`."""
    directory, base = os.path.dirname(main), os.path.basename(name)
    path = os.path.join(directory, DIRECTORY, base) if name != os.path.basename(main) else main
    if name != _name(main, path):
        raise RewriteError(f"{name}: is no file of {main}: it cannot be written back")
    return path

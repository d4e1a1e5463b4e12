"""Which files make up a config: the one that is named, and those of `providers.d` beside it."""

from __future__ import annotations

import os
from collections.abc import Iterator

from gleitzeitd.config.source import LARGEST, read_bytes
from gleitzeitd.core.errors import ConfigError

DIRECTORY = "providers.d"
MOST_FILES = 1000
_ENDINGS = (".yaml", ".yml")

Files = tuple[tuple[str, bytes], ...]
"""Each file's path and what it holds, the main file first."""


def gather(path: str, transient: str = "") -> Files:
    """All of them, each read once. Raises ConfigError for what cannot be read, or is too much.

    `transient`: a further directory of such files, for as long as a daemon runs.
    """
    files = [(path, read_bytes(path))]
    left = LARGEST - len(files[0][1])
    lasting = _beside(os.path.join(os.path.dirname(path), DIRECTORY))
    for name in (*lasting, *(_beside(transient) if transient else ())):
        raw = read_bytes(name)
        left -= len(raw)
        if left < 0:
            most = f"{LARGEST // 2**20} MiB"
            raise ConfigError((f"{name}: with it the config is larger than the {most} it may have",))
        files.append((name, raw))
    return tuple(files)


def _beside(directory: str) -> Iterator[str]:
    """The files of providers in the directory, by name; what an editor leaves there is none of them."""
    try:
        with os.scandir(directory) as entries:
            found = sorted(entry.name for entry in entries if is_one(entry))
    except FileNotFoundError:
        return
    except NotADirectoryError as exc:
        raise ConfigError((f"{directory}: must be a directory with files of providers",)) from exc
    except OSError as exc:
        raise ConfigError((f"{directory}: cannot be read: {exc.strerror}",)) from exc
    if len(found) > MOST_FILES:
        raise ConfigError((f"{directory}: has {len(found)} files, and may have {MOST_FILES}",))
    for name in found:
        yield os.path.join(directory, name)


def is_one(entry: os.DirEntry[str]) -> bool:
    """Whether an entry of that directory is a file of providers, by its name and kind."""
    is_named = entry.name.endswith(_ENDINGS) and not entry.name.startswith((".", "#"))
    # A link that leads nowhere is one: to read it tells which it is.
    return is_named and not os.path.isdir(entry.path)

"""The files of what `run` made: they lie beside the control socket, are read with the config, and go with the
daemon."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from gleitzeitd.core.spec import TRANSIENT, House

_ENDING = ".yaml"
_UNPRINTED = re.compile(r"[^ -~]")
_DRAFT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def path_of(directory: str, name: str) -> str:
    return os.path.join(directory, name + _ENDING)


def names(directory: str) -> list[str]:
    """The providers that have one, in the order of the alphabet."""
    found = (entry for entry in os.listdir(directory) if not entry.startswith("."))
    return sorted(entry.removesuffix(_ENDING) for entry in found)


def text(name: str, block: dict[str, Any]) -> str:
    """The file of a block."""
    written = json.dumps({"providers": {name: block}}, ensure_ascii=False)
    # YAML knows no pairs of surrogates, as JSON has for what is above U+FFFF
    return _UNPRINTED.sub(lambda found: f"\\U{ord(found[0]):08x}", written)


def write(path: str, content: str) -> None:
    """All of it or nothing, and never for anybody else: it may hold secrets. Raises OSError."""
    directory, name = os.path.split(path)
    draft = os.path.join(directory, f".{name}")
    try:
        with open(os.open(draft, _DRAFT, 0o600), "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # open honours the umask.
            file.write(content)
        os.rename(draft, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft)
        raise


def hide(path: str) -> str:
    """Take the file out of the config, unless somebody has; where it is, should it have to come back."""
    hidden = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}")
    with suppress(FileNotFoundError):
        os.rename(path, hidden)
    return hidden


def give_way(house: House) -> Iterator[str]:
    """Take away the files of what a file of people's defines by the same name; each name."""
    specs = house.by_name
    for name in names(house.transient) if house.transient else ():
        is_saved = name in specs and specs[name].where != TRANSIENT
        if is_saved or name in house.disabled:
            os.unlink(path_of(house.transient, name))
            yield name

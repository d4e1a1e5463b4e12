"""Every key of a section as it is effective, flat, by its path; what means the same is the same here."""

from __future__ import annotations

import json
import math
import re
import signal
from collections.abc import Iterator
from enum import Enum
from functools import cache
from typing import Any

from gleitzeitd.config import schema
from gleitzeitd.config.commands import argv_of
from gleitzeitd.config.place import Path
from gleitzeitd.core.spec import CheckKind

_SIMPLE = re.compile(r"[^.\"]+")
_UNORDERED = ("inherit_env",)
_OF_A_CHECK = {
    CheckKind.HTTP: {"url"},
    CheckKind.TCP: {"host", "port"},
    CheckKind.EXEC: {"command"},
    CheckKind.PROVIDER: set[str](),
}
_REPEATED = {"kind", "interval", "timeout", "failures", "successes"}


def settings(section: schema.Section) -> dict[str, Any]:
    return {dotted(path): _alike(path, value) for path, value in flat(section, ())}


def _alike(path: Path, value: Any) -> Any:
    return tuple(sorted(set(value))) if path == _UNORDERED and isinstance(value, tuple) else value


def dotted(path: Path) -> str:
    """The path as one key; a part that has a dot itself is quoted, so that no two paths look alike."""
    parts = map(str, path)
    return ".".join(
        part if _SIMPLE.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in parts
    )


def flat(section: schema.Section, path: Path) -> Iterator[tuple[Path, Any]]:
    """Where each setting stands, and its value; none of those that have none."""
    for key, name in _names(type(section)):
        value = getattr(section, name)
        here = (*path, key)
        if value is None or (isinstance(section, schema.Check) and key not in _of_check(section, path)):
            continue
        if isinstance(value, schema.Section):
            yield from flat(value, here)
        elif isinstance(value, dict):
            yield from items(value, here)
        else:
            yield here, _plain(key, value)


@cache
def _names(model: type[schema.Section]) -> tuple[tuple[str, str], ...]:
    return tuple((field.alias or name, name) for name, field in model.model_fields.items())


def _of_check(check: schema.Check, path: Path) -> set[str]:
    """The keys that a check of its kind has: `ready` of a provider asks nothing."""
    if path == ("ready",) and check.kind is CheckKind.PROVIDER:
        return {"kind"}
    return _REPEATED | _OF_A_CHECK[check.kind]


def items(mapping: dict[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from items(value, (*path, key))
        else:
            yield (*path, key), _frozen(value)


def _plain(key: str, value: Any) -> Any:
    """As a file could have it."""
    match value:
        case signal.Signals():
            return value.name
        case Enum():
            return value.value
        case _ if key == "command":
            return argv_of(value)
        case int() if key == "umask":
            return f"{value:04o}"
        case _:
            return _frozen(value)


def _frozen(value: Any) -> Any:
    match value:
        case list():
            return tuple(map(_frozen, value))
        case dict():
            return {key: _frozen(item) for key, item in value.items()}
        case bool():
            return value
        case int():
            return int(value)
        case float():
            # Only the same one is equal to itself.
            return math.nan if math.isnan(value) else float(value)
        case _:
            return value

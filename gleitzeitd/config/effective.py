"""Every setting as it is effective, and where it comes from, for people: no secret is in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gleitzeitd.config.block import Block, written
from gleitzeitd.config.complete import FROM_GLOBAL
from gleitzeitd.config.evaluate import Evaluated, Judged
from gleitzeitd.config.filling import Filled
from gleitzeitd.config.gather import gather
from gleitzeitd.config.load import evaluated
from gleitzeitd.config.place import Path
from gleitzeitd.config.settings import dotted, flat, items


class Origin(StrEnum):
    """Who says what a setting is."""

    FILE = "file"
    DEFAULT = "default"
    GLOBAL = "global"
    DEFAULTS = "global.defaults"
    ENVIRONMENT = "environment"
    SECRET = "secret"


@dataclass(frozen=True, slots=True)
class Setting:
    key: str
    value: Any
    """Of a secret, asterisks."""
    origin: Origin
    where: str
    """`file:line:column`; empty for what no file says."""
    is_secret: bool


@dataclass(frozen=True, slots=True)
class Explained:
    path: str
    files: tuple[str, ...]
    common: tuple[Setting, ...]
    """Of the section `global`."""
    providers: Mapping[str, tuple[Setting, ...]]
    """Of the disabled as well, in which nothing is replaced."""
    enabled: frozenset[str]
    mistakes: tuple[str, ...]
    """Why some of them cannot be started."""


def explain(path: str) -> Explained:
    """Raises ConfigError as `load` does."""
    whole, _ = evaluated(path, gather(path))
    return Explained(
        path=path,
        files=whole.document.files,
        common=tuple(_common(whole)),
        providers={judged.block.name: tuple(_provider(judged, whole)) for judged in whole.providers},
        enabled=frozenset(judged.block.name for judged in whole.providers if judged.block.is_enabled),
        mistakes=tuple(mistake for judged in whole.providers for mistake in judged.mistakes),
    )


def _common(whole: Evaluated) -> Iterator[Setting]:
    block = whole.common
    for path, value in flat(whole.settings, ()):
        if path[0] != "defaults":
            yield _setting(block, path, value, whole)
    for path, value in items(block.given.get("defaults", {}), ("defaults",)):
        yield _setting(block, path, value, whole)


def _provider(judged: Judged, whole: Evaluated) -> Iterator[Setting]:
    block = judged.block
    values = dict(flat(judged.provider, ()))
    # What cannot be replaced, or need not be, is shown as it stands.
    values |= {path: written(block.given, path) for path in block.own.missing if path not in values}
    for path, value in values.items():
        yield _setting(block, path, value, whole)


def _setting(block: Block, path: Path, value: Any, whole: Evaluated) -> Setting:
    shown = block.shown(path, value)
    origin, stands = _origin(block, path, whole.common)
    where = whole.document.where(stands) if stands else ""
    return Setting(dotted(path), shown, origin, where, is_secret=shown != value)


def _origin(block: Block, path: Path, common: Block) -> tuple[Origin, Path | None]:
    """Who says it, and where that stands."""
    for filled, origin in ((block.own, Origin.FILE), (block.common, Origin.DEFAULTS)):
        if filled is not None and written(filled.data, path) is not None:
            return _brought(filled, path) or origin, (*block.at, *path)
    if block is not common and (key := FROM_GLOBAL.get(path)) and written(common.own.data, key) is not None:
        return Origin.GLOBAL, ("global", *key)
    return Origin.DEFAULT, None


def _brought(filled: Filled, path: Path) -> Origin | None:
    """What a substitution at the path, or in the list there, has brought in."""
    if path in filled.secret:
        return Origin.SECRET
    return Origin.ENVIRONMENT if path in filled.brought else None

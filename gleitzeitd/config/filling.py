"""A section of the file with every `${...}` in its values replaced, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from gleitzeitd.config.commands import argv_of
from gleitzeitd.config.kinds import takes_text
from gleitzeitd.config.place import Path
from gleitzeitd.config.secrets import is_secret_name
from gleitzeitd.config.substitute import OPENS, Lookups, MissingError, OddError, UnsetError, Used, substitute
from gleitzeitd.config.written import typed

_CHECKS = (("ready", "command"), ("health", "command"))
_COMMANDS = (("command",), *_CHECKS, *(("defaults", *path) for path in _CHECKS))
_CONFIGS = (("config",), ("defaults", "config"))


@dataclass(frozen=True)
class Filled:
    """Paths are those within the section."""

    data: Any
    used: Mapping[Path, Used]
    """What each replaced text was made of."""
    missing: Mapping[Path, str]
    """Why a text stands as it was: what it needs is not there."""
    odd: Mapping[Path, str]
    """Why a text stands as it was: it means nothing."""

    @property
    def unresolved(self) -> frozenset[Path]:
        return frozenset((*self.missing, *self.odd))

    def is_secret(self, path: Path) -> bool:
        """Whether it came from a secret, or from a variable that is named like one."""
        used = self.used.get(path)
        return used is not None and (used.is_secret or any(map(is_secret_name, used.variables)))

    @cached_property
    def brought(self) -> frozenset[Path]:
        """Where something was put in, be it there or within."""
        return _above(self.used).union(self.used)

    @cached_property
    def secret(self) -> frozenset[Path]:
        """Where a secret was put in, be it there or within."""
        secrets = [path for path, used in self.used.items() if used.is_secret]
        return _above(secrets).union(secrets)

    @cached_property
    def hiding(self) -> frozenset[Path]:
        """The sections and lists that have something within that nobody may see."""
        return _above(filter(self.is_secret, self.used))


def fill(data: Any, model: type[BaseModel], lookups: Lookups, start: Path = ()) -> Filled:
    """`start`: where `data` stands within a section of this model."""
    filler = _Filler(model, lookups)
    filled = filler.of(data, start)
    return Filled(filled, filler.used, filler.missing, filler.odd)


def leave(data: Any) -> Filled:
    """The section as it stands: each text that would be replaced counts as unresolved."""
    paths = dict.fromkeys(_texts(data, ()), "")
    return Filled(data, {}, paths, {})


class _Filler:
    def __init__(self, model: type[BaseModel], lookups: Lookups) -> None:
        self._model = model
        self._lookups = lookups
        self.used = dict[Path, Used]()
        self.missing = dict[Path, str]()
        self.odd = dict[Path, str]()

    def of(self, data: Any, path: Path) -> Any:
        match data:
            case str():
                return self._text(data, path) if OPENS in data else data
            case dict():
                return {key: self.of(value, (*path, key)) for key, value in data.items()}
            case list():
                return [self.of(value, (*path, at)) for at, value in enumerate(data)]
        return data

    def _text(self, text: str, path: Path) -> Any:
        try:
            if path in _COMMANDS:
                return self._words(text, path)
            value = self._value(text, path)
        except UnsetError as exc:
            is_anything = path[:1] in _CONFIGS or path[:2] in _CONFIGS
            meant = f", or $${{{exc.name}}} where the text itself is meant" if is_anything else ""
            self.missing[path] = f"{exc}{meant}"
        except MissingError as exc:
            self.missing[path] = str(exc)
        except OddError as exc:
            self.odd[path] = str(exc)
        else:
            return value if takes_text(self._model, path) else typed(value)
        return text

    def _words(self, text: str, path: Path) -> Any:
        """A command in one text is split before anything is put in: a value with spaces stays one word."""
        try:
            words = argv_of(text)
        except ValueError:
            # That it cannot be split is told of the text.
            return text
        return [self._value(word, (*path, at)) for at, word in enumerate(words)]

    def _value(self, text: str, path: Path) -> str:
        if OPENS not in text:
            return text
        used = self.used[path] = Used()
        return substitute(text, self._lookups, used)


def _above(paths: Iterable[Path]) -> frozenset[Path]:
    return frozenset(path[:depth] for path in paths for depth in range(len(path)))


def _texts(data: Any, path: Path) -> list[Path]:
    match data:
        case str():
            return [path] if OPENS in data else []
        case dict():
            return [found for key, value in data.items() for found in _texts(value, (*path, key))]
        case list():
            return [found for at, value in enumerate(data) for found in _texts(value, (*path, at))]
    return []


def pruned(data: Any, paths: frozenset[Path], path: Path = ()) -> Any:
    """The data without what stands at these paths."""
    match data:
        case dict():
            return {k: pruned(v, paths, (*path, k)) for k, v in data.items() if (*path, k) not in paths}
        case list():
            return [pruned(v, paths, (*path, at)) for at, v in enumerate(data) if (*path, at) not in paths]
    return data

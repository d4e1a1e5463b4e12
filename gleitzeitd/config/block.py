"""One section as it stands in the file, before anybody knows whether its values are of use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gleitzeitd.config.document import DEFAULTS, Document
from gleitzeitd.config.filling import Filled
from gleitzeitd.config.lookups import beside
from gleitzeitd.config.place import Path, Problem
from gleitzeitd.config.secrets import MASK, hides, is_secret_name, masked_text, masked_words
from gleitzeitd.config.substitute import with_defaults


@dataclass(frozen=True, slots=True)
class Block:
    document: Document
    at: Path
    """Where it stands, such as `providers`, `p`."""
    given: Any
    """What it says, with the defaults under it, and each `${...}` replaced that can be."""
    own: Filled
    common: Filled | None = None
    """The defaults under it."""
    is_enabled: bool = True
    secrets: frozenset[str] = frozenset()
    """Keys of its `config` that are declared to be secret, whatever they are called."""

    @property
    def name(self) -> str:
        return str(self.at[-1])

    def get(self, key: str) -> Any:
        return self.given.get(key)

    def section(self, key: str) -> Mapping[str, Any]:
        """The section; empty when there is none, or something else in its place."""
        section = self.given.get(key)
        return section if isinstance(section, dict) else {}

    def texts(self, key: str) -> Iterator[tuple[Path, str]]:
        """Each text of a setting that may be one text or a list, with where it stands."""
        value = self.given.get(key)
        if isinstance(value, str):
            yield (key,), value
        for at, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, str):
                yield (key, at), item

    def problem(self, path: Path, sentence: str, *, key: bool = False) -> Problem:
        """About what is at `path` within the block; about the block when that is empty."""
        return self.document.problem((*self.at, *path), sentence, key=key)

    def as_written(self, path: Path) -> Any:
        """What stands in the file for it, before anything is put in; None where there is nothing."""
        own = written(self.document.data, (*self.at, *path))
        is_common = own is None and self.common is not None
        return written(self.document.data, (*DEFAULTS, *path)) if is_common else own

    def source(self, path: Path) -> Filled:
        """Whose the value at `path` is: the block's own, or the defaults'."""
        if self.common is None or written(self.own.data, path) is not None:
            return self.own
        return self.common

    def is_secret(self, path: Path, value: Any) -> bool:
        if self.source(path).is_secret(path) or (path[:1] == ("config",) and self.secrets & {*path[1:2]}):
            return True
        is_named = isinstance(value, str) and any(map(is_secret_name, with_defaults(value)))
        return is_named or hides(path, value)

    def has_secret(self, path: Path) -> bool:
        """Whether something within the section at the path came from a secret."""
        return path in self.own.hiding or (self.common is not None and path in self.common.hiding)

    def shown(self, path: Path, value: Any) -> Any:
        """The value, or what stands for it when nobody may see it."""
        match value:
            case dict():
                return {key: self.shown((*path, key), item) for key, item in value.items()}
            case list() | tuple():
                items = [self.shown((*path, at), item) for at, item in enumerate(value)]
                return type(value)(masked_words(items))
        if self.is_secret(path, value):
            return MASK
        return masked_text(value) if isinstance(value, str) else value

    def beside(self, other: str) -> str:
        return beside(self.document.path, other)


def written(data: Any, path: Path) -> Any:
    """What stands at the path; None where there is nothing."""
    for part in path:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return None
    return data


def over(own: Any, common: Any) -> Any:
    """The one with the other under it: mappings are merged, all else is replaced."""
    if not isinstance(own, dict) or not isinstance(common, dict):
        return own
    below = {key: over(own[key], value) if key in own else value for key, value in common.items()}
    return {**own, **below}


def hint(word: str, known: Iterable[str]) -> str:
    """The known word that may have been meant, in brackets; nothing when none is like it."""
    close = difflib.get_close_matches(word, known, n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""

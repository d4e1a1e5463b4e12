"""One provider's block as it stands in the file, before anybody knows whether its values are of use."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gleitzeitd.config.document import Document, Path, Problem
from gleitzeitd.config.values import flag


@dataclass(frozen=True, slots=True)
class Block:
    document: Document
    name: str
    given: Mapping[str, Any]

    @property
    def is_enabled(self) -> bool:
        return flag(self.given.get("enabled")) is not False

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
        return self.document.problem(("providers", self.name, *path), sentence, key=key)

    def beside(self, other: str) -> str:
        return beside(self.document.path, other)


def beside(path: str, other: str) -> str:
    """`other` as seen from the config file's directory."""
    return os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(other))


def hint(word: str, known: Iterable[str]) -> str:
    """The known word that may have been meant, in brackets; nothing when none is like it."""
    close = difflib.get_close_matches(word, known, n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""

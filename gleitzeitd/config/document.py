"""A YAML file as plain data that remembers where each part of it stands."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.scalarbool import ScalarBoolean

from gleitzeitd.config.source import LARGEST, read_text
from gleitzeitd.config.written import Constructor, Float, Int, as_written
from gleitzeitd.core.errors import ConfigError

MOST_VALUES = 1_000_000
"""Values that a file may have, with each alias counted as what it stands for."""

Path = tuple[str | int, ...]


class Problem(NamedTuple):
    """One mistake; problems sort by where they stand."""

    line: int
    column: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """`data` is made of dict, list, str, int, float, bool and None only."""

    path: str
    data: Any
    node: Any

    def problem(self, path: Path, sentence: str, *, key: bool = False) -> Problem:
        """The sentence about the value at `path`, or about its key, with its place and its name."""
        line, column = self.position(path, key=key)
        name = ".".join(map(str, path)) or "the file"
        return Problem(line, column, f"{self.path}:{line}:{column}: {name}: {sentence}")

    def position(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1; of what surrounds it when the part itself stands elsewhere or nowhere."""
        node, found = self.node, (0, 0)
        for depth, part in enumerate(path):
            wants_key = key and depth == len(path) - 1
            found = _place(node, part, wants_key) or found
            try:
                node = node[part]
            except (LookupError, TypeError):
                break
        return found[0] + 1, found[1] + 1


def _place(node: Any, part: str | int, wants_key: bool) -> tuple[int, int] | None:
    """Where the part stands in the node; None for one that a merge or an alias brought in."""
    place: Callable[[Any], tuple[int, int] | None]
    match node:
        case CommentedMap() if part in node:
            place = node.lc.key if wants_key or node[part] is None else node.lc.value
        case CommentedSeq() if isinstance(part, int) and part < len(node):
            place = node.lc.item
        case _:
            return None
    try:
        return place(part)
    except (LookupError, TypeError):
        return None


def read(path: str) -> Document:
    """The document at `path`. Raises ConfigError with the place and the way out."""
    document = Document(path, None, _parsed(path, read_text(path, LARGEST)))
    return replace(document, data=Plain(document).of(document.node, ()))


def _parsed(path: str, text: str) -> Any:
    yaml = YAML()
    yaml.Constructor = Constructor
    try:
        return yaml.load(text)
    except DuplicateKeyError as exc:
        raise ConfigError((_duplicate(path, exc),)) from exc
    except MarkedYAMLError as exc:
        raise ConfigError((_syntax(path, exc),)) from exc
    except Exception as exc:
        # The library stumbles over some files in ways of its own: an AttributeError for a set that is merged.
        raise ConfigError((f"{path}:1:1: this is not YAML that can be read: {_line(str(exc))}",)) from exc


class Plain:
    """Makes data without ruamel's own types, which strict validation would not take for what they are."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._left = MOST_VALUES

    def of(self, node: Any, path: Path) -> Any:
        """Raises ConfigError for what has no meaning here, in its place."""
        self._left -= 1
        if self._left < 0:
            raise self._error(path, f"with its aliases the file has more than {MOST_VALUES:,} values")
        match node:
            case CommentedMap():
                return {self._key(k, path): self.of(v, (*path, k)) for k, v in node.items()}
            case CommentedSeq():
                return [self.of(v, (*path, at)) for at, v in enumerate(node)]
            case bool() | None | Int() | Float():
                return node
            case ScalarBoolean():
                return bool(node)
            case datetime.date():
                return node.isoformat()
            case str():
                return str(node)
            case _:
                raise self._error(path, "is neither text, number, true, false, list nor mapping")

    def _key(self, key: object, path: Path) -> str:
        if isinstance(key, str):
            return str(key)
        shown = as_written(key)
        line, column = self._document.position((*path, key), key=True)  # type: ignore[arg-type]
        sentence = f'the key {shown} is not text: write it as "{shown}"'
        raise ConfigError((f"{self._document.path}:{line}:{column}: {sentence}",))

    def _error(self, path: Path, sentence: str) -> ConfigError:
        return ConfigError((self._document.problem(path, sentence).text,))


def _syntax(path: str, exc: MarkedYAMLError) -> str:
    mark = exc.problem_mark or exc.context_mark
    place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
    context = f" ({_line(exc.context)})" if exc.context else ""
    return f"{place}: this is not valid YAML: {_line(exc.problem or str(exc))}{context}"


def _duplicate(path: str, exc: DuplicateKeyError) -> str:
    mark = exc.problem_mark
    key = _line(exc.problem or "").removeprefix("found duplicate key ").split(" with value")[0]
    first = f", first above at line {exc.context_mark.line + 1}" if exc.context_mark else ""
    return f"{path}:{mark.line + 1}:{mark.column + 1}: {key} is defined twice{first}: remove or rename one"


def _line(text: str) -> str:
    return text.strip().split("\n")[0]

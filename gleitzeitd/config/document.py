"""A YAML file as plain data that remembers where each part of it stands."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from gleitzeitd.core.errors import ConfigError

LARGEST = 8 * 1024 * 1024
"""Bytes that a config file may have."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """`data` is made of dict, list, str, int, float, bool and None only."""

    path: str
    data: Any
    node: Any

    def at(self, path: Path, *, key: bool = False) -> str:
        """`file:line:col` of the value at `path` or of its key; if not there, of what it would be in."""
        line, column = self._position(path, key)
        return f"{self.path}:{line + 1}:{column + 1}"

    def _position(self, path: Path, key: bool) -> tuple[int, int]:
        node, found = self.node, (0, 0)
        for depth, part in enumerate(path):
            place: Callable[[Any], tuple[int, int]]
            match node:
                case CommentedMap() if part in node:
                    wants_key = key and depth == len(path) - 1
                    place = node.lc.key if wants_key or node[part] is None else node.lc.value
                case CommentedSeq() if isinstance(part, int) and part < len(node):
                    place = node.lc.item
                case _:
                    return found
            found = place(part)
            node = node[part]
        return found


def read(path: str) -> Document:
    """The document at `path`. Raises ConfigError with the place and the way out."""
    text = _text(path)
    try:
        node = YAML().load(text)
    except DuplicateKeyError as exc:
        raise ConfigError((_duplicate(path, exc),)) from exc
    except MarkedYAMLError as exc:
        raise ConfigError((_syntax(path, exc),)) from exc
    except (YAMLError, ValueError, RecursionError) as exc:
        raise ConfigError((f"{path}:1:1: this is not YAML that can be read: {_line(str(exc))}",)) from exc
    return Document(path, _plain(path, node), node)


def _text(path: str) -> str:
    try:
        # A FIFO in the file's place must not hold the daemon.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError((f"{path}: this is not a regular file: name a YAML file",))
            raw = file.read(LARGEST + 1)
    except FileNotFoundError as exc:
        raise ConfigError((f"{path}: there is no such file",)) from exc
    except OSError as exc:
        raise ConfigError((f"{path}: cannot be read: {exc.strerror}",)) from exc
    if len(raw) > LARGEST:
        raise ConfigError((f"{path}: is larger than the {LARGEST // 2**20} MiB a config file may have",))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        raise ConfigError(
            (f"{path}:{line}:1: byte {exc.start} is not UTF-8: save the file as UTF-8",)
        ) from exc


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


def _plain(path: str, node: Any) -> Any:
    """The node without ruamel's own types, which strict validation would not take for what they are."""
    match node:
        case dict():
            for key in node:
                if not isinstance(key, str):
                    line, column = node.lc.key(key) if isinstance(node, CommentedMap) else (0, 0)
                    hint = f'write it as "{key}"'
                    raise ConfigError(
                        (f"{path}:{line + 1}:{column + 1}: the key {key!r} is not text: {hint}",)
                    )
            return {str(key): _plain(path, value) for key, value in node.items()}
        case list():
            return [_plain(path, value) for value in node]
        case bool() | None:
            return node
        case int():
            return int(node)
        case float():
            return float(node)
        case datetime.date():
            return node.isoformat()
        case _:
            return str(node)

"""What differs between two states of a config's files, line by line, without showing a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from hashlib import sha256

from gleitzeitd.config.masked import Declared, is_whole, without_secrets
from gleitzeitd.config.secrets import MASK

_TOKEN = re.compile("\0(#?)[0-9a-f]{64}\0")


@dataclass(frozen=True, slots=True)
class State:
    """Texts of files by name, None for what cannot be read; and what the state is called."""

    label: str
    files: Mapping[str, str | None]

    def is_whole(self, name: str) -> bool:
        return is_whole(self.files.get(name) or "")

    def lines(self, name: str, is_whole: bool, declared: Declared) -> list[str]:
        """The file's lines, each secret in them a token that tells equal ones from others."""
        text = self.files.get(name)
        return [] if text is None else without_secrets(text, _token, is_whole, declared).split("\n")

    def title(self, name: str) -> str:
        if self.files.get(name) is not None:
            return f"{name} ({self.label})"
        return f"{name} ({'cannot be read' if name in self.files else 'not there'}: {self.label})"


def difference(old: State, new: State, declared: Declared = frozenset()) -> list[str]:
    """The lines of a unified diff; none when there is no difference."""
    return [line for name in sorted({*old.files, *new.files}) for line in _of_file(old, new, name, declared)]


def _of_file(old: State, new: State, name: str, declared: Declared) -> Iterator[str]:
    # masked in two ways, even equal texts would differ
    is_whole = old.is_whole(name) and new.is_whole(name)
    before, after = (state.lines(name, is_whole, declared) for state in (old, new))
    lines = list(unified_diff(before, after, old.title(name), new.title(name), lineterm=""))
    removed = [line[1:] for line in lines[2:] if line.startswith("-")]
    for line in lines:
        shown, mark = _hidden(line), _mark(line[1:], removed) if line[0] == "+" else ""
        yield _harmless(f"{shown.rstrip()}  ({mark})" if mark else shown.removesuffix("\r"))


def _mark(line: str, removed: list[str]) -> str:
    """What is to be said of a line that looks like one that was removed, as only what is masked differs."""
    alike = [one for one in removed if _hidden(one) == _hidden(line)]
    if not alike or line in alike or not _TOKEN.search(line):
        return ""
    return "comment changed" if _without_comments(line) in map(_without_comments, alike) else "changed"


def _without_comments(line: str) -> str:
    return _TOKEN.sub(lambda token: "" if token[1] else token[0], line)


def _token(secret: str) -> str:
    """A comment's has a sign of its own."""
    sign = "#" if secret.startswith("#") else ""
    return f"\0{sign}{sha256(secret.encode()).hexdigest()}\0"


def _hidden(line: str) -> str:
    return _TOKEN.sub(MASK, line)


def _harmless(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in line)

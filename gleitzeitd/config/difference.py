"""What differs between two states of a config's files, line by line, without showing a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from hashlib import sha256

from gleitzeitd.config.masked import without_secrets
from gleitzeitd.config.secrets import MASK

_TOKEN = re.compile("\0[0-9a-f]{64}\0")


@dataclass(frozen=True, slots=True)
class State:
    """Texts of files by name, and what the state is called."""

    label: str
    files: Mapping[str, str]

    def lines(self, name: str) -> list[str]:
        """The file's lines, each secret in them a token that tells equal ones from others."""
        text = self.files.get(name)
        return [] if text is None else without_secrets(text, _token).split("\n")

    def title(self, name: str) -> str:
        return f"{name} ({self.label})" if name in self.files else f"{name} (not there: {self.label})"


def difference(old: State, new: State) -> list[str]:
    """The lines of a unified diff; none when there is no difference."""
    return [line for name in sorted({*old.files, *new.files}) for line in _of_file(old, new, name)]


def _of_file(old: State, new: State, name: str) -> Iterator[str]:
    titles = (old.title(name), new.title(name))
    lines = list(unified_diff(old.lines(name), new.lines(name), *titles, lineterm=""))
    removed = {line[1:] for line in lines[2:] if line.startswith("-")}
    known = {_hidden(line) for line in removed}
    for line in lines:
        shown, is_secret = _hidden(line), _TOKEN.search(line)
        is_changed = is_secret and line[0] == "+" and line[1:] not in removed and shown[1:] in known
        yield _harmless(f"{shown.rstrip()}  (changed)" if is_changed else shown.removesuffix("\r"))


def _token(secret: str) -> str:
    return f"\0{sha256(secret.encode()).hexdigest()}\0"


def _hidden(line: str) -> str:
    return _TOKEN.sub(MASK, line)


def _harmless(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else ascii(char)[1:-1] for char in line)

"""A value as one line of YAML, and the value that a text of YAML stands for."""

from __future__ import annotations

import re
from typing import Any

from gleitzeitd.config.parse import parse
from gleitzeitd.config.written import as_written
from gleitzeitd.core.errors import ConfigError, GleitzeitError

_WORDS = re.compile(r"[\w./][\w./@%+=-]*(?: [\w./][\w./@%+=-]*)*")
"""What may be plain text if it is not read as something else; all the rest is put in quotes."""

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


class EditError(GleitzeitError):
    """The text can't be read, or not be changed with certainty; `line` says where."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


def value_of(typed: str) -> Any:
    """The value that someone typed. Raises EditError."""
    try:
        return data_of(typed)
    except EditError as exc:
        problem = str(exc).removeprefix("this is not valid YAML: ")
        sentence = f"the value is not YAML: {problem}: put text in double quotes, and those in single ones"
        raise EditError(1, sentence) from exc


def data_of(text: str) -> Any:
    """What the text says, in dict, list and scalars. Raises EditError."""
    try:
        return parse("", text)[0]
    except ConfigError as exc:
        _, line, _, sentence = exc.problems[0].split(":", 3)
        raise EditError(int(line), sentence.strip()) from exc


def flow(value: Any) -> str:
    """The value in one line, as it may stand anywhere in a file."""
    match value:
        case dict():
            return "{" + ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(flow, value)) + "]"
        case str():
            return value if _is_plain(value) else f'"{"".join(map(_quoted, value))}"'
        case _:
            return as_written(value)


def _is_plain(text: str) -> bool:
    if not _WORDS.fullmatch(text):
        return False
    try:
        return data_of(text) is not None and isinstance(data_of(text), str)
    except EditError:
        return False


def _quoted(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

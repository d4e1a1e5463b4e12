"""A value as one line of YAML, and the value that a text of YAML stands for."""

from __future__ import annotations

import re
from typing import Any

from gleitzeitd.config.outline import Kind, outline
from gleitzeitd.config.parse import parse
from gleitzeitd.config.written import as_written
from gleitzeitd.core.errors import ConfigError, GleitzeitError

_WORDS = re.compile(r"[\w./][\w./@%+=-]*(?: [\w./][\w./@%+=-]*)*")
"""What may be plain text if it is not read as something else; all the rest is put in quotes."""

_IN_QUOTES = "put text in double quotes, and those in single ones"
_COMMENT = re.compile(r"(?:(?<=\s)|^)#")
_BREAK = re.compile(r"[\r\n]")
_BLOCK = re.compile(r"(?:[&!]\S*\s+)*[|>]")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


class EditError(GleitzeitError):
    """The text can't be read, or not be changed with certainty; `line` says where."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line


def value_of(typed: str) -> Any:
    """The value that someone typed; what is blank is text. Raises EditError for what would not be kept."""
    if not typed.strip():
        return typed
    try:
        value, root = data_of(typed), outline(typed)
    except EditError as exc:
        problem = str(exc).removeprefix("this is not valid YAML: ")
        sentence = f"the value is not YAML: {problem}: {_IN_QUOTES}"
        raise EditError(1, sentence) from exc
    texts = [node for node in root.walk() if node.kind is Kind.SCALAR] if root else []
    for found in _COMMENT.finditer(typed):
        if not any(node.start <= found.start() < node.end for node in texts):
            place = f"begins at character {found.start() + 1}"
            raise EditError(1, f"the value has a comment, which {place}: {_IN_QUOTES}")
    folded = [node for node in texts if _is_folded(typed[node.start : node.end])]
    if not folded:
        return value
    if folded == [root] and typed[folded[0].start] not in "\"'&!":
        return typed
    raise EditError(1, 'YAML makes a space of a line break in the value: write it as "\\n", in double quotes')


def _is_folded(written: str) -> bool:
    """Whether it goes over several lines, and is no block that keeps them."""
    return _BREAK.search(written) is not None and _BLOCK.match(written) is None


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

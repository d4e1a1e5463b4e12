"""What must never be shown, and what is shown in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from gleitzeitd.config.place import Path

MASK = "********"
_A_PASSWORD = "secret|password|passwd|passphrase"
_A_SECRET = f"key|token|credential|authorization|{_A_PASSWORD}"
# Possessive, and only from where a name begins: a long text takes a time in proportion to it.
_NAMED = rf"(?:(?!{_A_SECRET})[\w.-])*+(?:{_A_SECRET})[\w.-]*+"
_BEGINS = r"(?<![\w.-])"
_NAME = re.compile(_NAMED, re.IGNORECASE)
_OPTION = re.compile(rf"--?{_NAMED}", re.IGNORECASE)
ASSIGNED = re.compile(rf"{_BEGINS}{_NAMED}[\"']?\s*+[:=]", re.IGNORECASE)
"""The name of a secret before its value, in a line of whatever language."""
_PASSWORD = re.compile(_A_PASSWORD, re.IGNORECASE)
# "A basic calculator" tells nothing, and what is encoded has more than small letters.
_SCHEME = r"\b(?:bearer|basic(?=\s+\S+(?-i:[A-Z0-9=])))\s+"
_WORD = r"""(?:"[^"]*"|'[^']*'|\S+)"""
_TOLD = re.compile(
    rf"({_BEGINS}{_NAMED}=|(?:{_BEGINS}--?{_NAMED}\s+)+|{_SCHEME})({_WORD})",
    re.IGNORECASE,
)
_IN_A_URL = re.compile(r"""(://[^/\s:@"']*:)[^/\s"']*@""")

T = TypeVar("T")


def is_secret_name(name: str) -> bool:
    """Whether what a key or a variable of this name holds is not for everybody's eyes."""
    return _NAME.fullmatch(name) is not None


def is_secret_path(path: Path) -> bool:
    return any(isinstance(part, str) and is_secret_name(part) for part in path)


def hides(path: Path, value: Any) -> bool:
    """Whether the names that lead to the value say that nobody may see it: `max_tokens: 100` may be seen."""
    if isinstance(value, str):
        return is_secret_path(path)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and any(isinstance(part, str) and _PASSWORD.search(part) for part in path)


def masked_text(text: str) -> str:
    """Any text without what it tells of secrets, such as `--api-key sk-1`, `TOKEN=x1` and `http://me:pw@host`."""
    return _IN_A_URL.sub(rf"\1{MASK}@", _TOLD.sub(_masked, text))


def masked_words(words: Iterable[T]) -> Iterator[T | str]:
    """The words of a command without what they tell of secrets; what is no text is nobody's word."""
    before: T | None = None
    for word in words:
        if isinstance(word, str):
            is_told = isinstance(before, str) and _OPTION.fullmatch(before) is not None
            yield MASK if is_told and _is_hidden(str(before), word) else masked_text(word)
        else:
            yield word
        before = word


def _masked(match: re.Match[str]) -> str:
    return match[1] + MASK if _is_hidden(match[1], match[2]) else match[0]


def _is_hidden(name: str, word: str) -> bool:
    """A number is a secret of its own only where it is a password: most tokens are counted."""
    return not word.isdecimal() or _PASSWORD.search(name) is not None

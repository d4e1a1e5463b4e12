"""What must never be shown, and what is shown in its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from gleitzeitd.config.place import Path

MASK = "********"
_NAMED = r"[\w.-]*(?:key|token|secret|password|passwd|credential)[\w.-]*"
_NAME = re.compile(_NAMED, re.IGNORECASE)
_OPTION = re.compile(rf"--?{_NAMED}", re.IGNORECASE)
_WORD = r"""(?:"[^"]*"|'[^']*'|(?!\d+(?:\s|$))\S+)"""
_TOLD = re.compile(rf"({_NAMED}=|--?{_NAMED}\s+|\b(?:bearer|basic)\s+){_WORD}", re.IGNORECASE)


def is_secret_name(name: str) -> bool:
    """Whether what a key or a variable of this name holds is not for everybody's eyes."""
    return _NAME.fullmatch(name) is not None


def is_secret_path(path: Path) -> bool:
    return any(isinstance(part, str) and is_secret_name(part) for part in path)


def masked_text(text: str) -> str:
    """A command line without what it tells of secrets, such as `--api-key sk-1` and `TOKEN=1`."""
    return _TOLD.sub(lambda match: match[1] + MASK, text)


def masked_words(words: Iterable[str]) -> Iterator[str]:
    """The words of a command without what they tell of secrets."""
    is_told = False
    for word in words:
        yield MASK if is_told and not word.isdecimal() else masked_text(word)
        is_told = _OPTION.fullmatch(word) is not None

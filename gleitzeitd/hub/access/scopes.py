"""What a token may: scopes such as `invoke:gpt-*`, as they are written and as they match."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import StrEnum

from gleitzeit_extensions.protocol import CallError

LONGEST_SCOPE = 200


class Right(StrEnum):
    PROVIDE = "provide"
    """Register as a provider of a matching name."""
    INVOKE = "invoke"
    """Call what has a matching name: a provider, a model or a capability."""
    OBSERVE = "observe"
    """Look at everything; change nothing."""
    ADMIN = "admin"
    """All that the daemon's own user may."""


NEEDS_PATTERN = (Right.PROVIDE, Right.INVOKE)


@dataclass(frozen=True, slots=True)
class Scope:
    right: Right
    pattern: str = ""
    """Of names, in which `*` stands for any characters; nothing for a right that is of no names."""

    def __str__(self) -> str:
        return f"{self.right}:{self.pattern}" if self.pattern else str(self.right)

    @classmethod
    def read(cls, text: str) -> Scope:
        """Raises CallError `invalid_request`."""
        word, colon, pattern = text.partition(":")
        if word not in list(Right):
            raise CallError("invalid_request", _unknown(text, word))
        right = Right(word)
        if right not in NEEDS_PATTERN:
            if colon:
                raise CallError("invalid_request", f'the scope "{right}" stands alone: write it without ":"')
            return cls(right)
        if not pattern or len(text) > LONGEST_SCOPE or not text.isprintable():
            sentence = f'the scope "{right}" needs the name of what it is for, such as {right}:calculator, '
            raise CallError("invalid_request", sentence + f'or a pattern, such as "{right}:*"')
        return cls(right, pattern)

    def covers(self, name: str) -> bool:
        """Whether it is about `name`."""
        first, *rest = self.pattern.split("*")
        if not rest:
            return name == first
        *middle, last = rest
        at, end = len(first), len(name) - len(last)
        if at > end or not name.startswith(first) or not name.endswith(last):
            return False
        # no regular expression: those take for ever for some patterns of many stars
        for part in middle:
            found = name.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


def _unknown(text: str, word: str) -> str:
    close = difflib.get_close_matches(word, list(Right), n=1)
    hint = f'did you mean "{close[0]}"?' if close else "provide:NAME, invoke:NAME, observe, admin"
    return f"there is no scope {text[:LONGEST_SCOPE]!a} ({hint})"

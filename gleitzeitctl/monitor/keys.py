"""From the bytes that a terminal sends to the names of keys."""

from __future__ import annotations

import re

NAMED = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1b[1~": "home",
    b"\x1b[4~": "end",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x15": "clear",
    b"\x0c": "redraw",
    b"\x1b": "escape",
}
_ONE = re.compile(rb"\x1b[\[O][0-9;]*[A-Za-z~]|\x1b(?=\x1b|$)|\x1b.|[\xc2-\xf4][\x80-\xbf]+|.", re.DOTALL)
_UNFINISHED = re.compile(rb"(\x1b[\[O]?[0-9;]*|[\xc2-\xdf]|[\xe0-\xef].?|[\xf0-\xf4].{0,2})\Z", re.DOTALL)


class Keys:
    """Remembers what is not a whole key yet."""

    def __init__(self) -> None:
        self._held = b""

    @property
    def is_waiting(self) -> bool:
        """Whether more of a key may come within a moment."""
        return bool(self._held)

    def pressed(self, data: bytes) -> list[str]:
        """The keys, by name or as the character they stand for."""
        data = self._held + data
        unfinished = _UNFINISHED.search(data)
        cut = unfinished.start() if unfinished else len(data)
        self._held = data[cut:]
        return _read(data[:cut])

    def rest(self) -> list[str]:
        """What was held, since nothing more came: a key called escape looks like the begin of others."""
        held, self._held = self._held, b""
        return _read(held)


def _read(data: bytes) -> list[str]:
    found = (_named(match[0]) for match in _ONE.finditer(data))
    return [key for key in found if key]


def _named(one: bytes) -> str:
    # The keypad's application mode says O for [.
    one = re.sub(rb"^\x1bO", b"\x1b[", one)
    if one in NAMED:
        return NAMED[one]
    text = one.decode(errors="ignore")
    return text if len(text) == 1 and text.isprintable() else ""

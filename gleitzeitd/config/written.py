"""Numbers that know how they were written: a version 3.10 is not 3.1, and a mode 0022 not 22."""

from __future__ import annotations

import re
from typing import Any, Self

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_FLAGS = {"true": True, "false": False}


class Int(int):
    text: str

    @classmethod
    def of(cls, value: int, text: str) -> Self:
        number = cls(value)
        number.text = text
        return number


class Float(float):
    text: str

    @classmethod
    def of(cls, value: float, text: str) -> Self:
        number = cls(value)
        number.text = text
        return number


def as_written(value: object) -> str:
    """A plain value as the file shows it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Int() | Float():
            return value.text
        case _:
            return str(value)


def typed(text: str) -> Any:
    """The number or the flag that a file would show like this; the text where it is neither."""
    if _INT.fullmatch(text) and len(text) < 1000:
        return Int.of(int(text), text)
    if _FLOAT.fullmatch(text):
        return Float.of(float(text), text)
    return _FLAGS.get(text.lower(), text)

"""What was given as `--args`: a JSON object on the command line, in a file or on stdin.

What is wrong with it is said with its place and the text around it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from gleitzeitctl.arguments import parsed
from gleitzeitctl.complaint import Complaint, misuse

AROUND = 30
"""Characters that are shown before and after the place of a mistake."""

EXAMPLE = """for example a=5 b=3, or --args '{"a": 5, "b": 3}'"""


def given(words: str) -> dict[str, Any]:
    """The object that `--args` means: JSON as it stands, `@FILE`, or `-` for stdin. Raises Complaint."""
    where = "stdin" if words == "-" else words[1:] if words.startswith("@") else ""
    text = _text(words)
    if not text.strip():
        raise misuse(f"--args takes a JSON object, and {where or 'what stands there'} is empty: {EXAMPLE}")
    what = f"--args takes a JSON object, not {_what(text)}{f' in {where}' if where else ''}"
    try:
        value = parsed(text)
    except json.JSONDecodeError as exc:
        why = f"{exc.msg[:1].lower()}{exc.msg[1:]}: line {exc.lineno} column {exc.colno}"
        raise misuse(f"{what} ({why}, {_around(text, exc.pos)}): {EXAMPLE}") from exc
    except ValueError as exc:
        raise misuse(f"{what} ({exc}): {EXAMPLE}") from exc
    if not isinstance(value, dict):
        raise misuse(f"{what}: {EXAMPLE}")
    return value


def utf_8(word: str) -> str:
    """A word of the command line as it was typed, whatever the locale says. Raises Complaint."""
    return _decoded(os.fsencode(word), "an argument")


def _text(words: str) -> str:
    if words == "-":
        # there is none when it was closed
        return _decoded(sys.stdin.buffer.read() if sys.stdin else b"", "stdin")
    if not words.startswith("@"):
        return utf_8(words)
    if not (path := words[1:]):
        raise misuse("--args @FILE takes the name of a file: @args.json")
    try:
        with open(path, "rb") as file:
            return _decoded(file.read(), path)
    except OSError as exc:
        raise misuse(f"--args: {path}: {exc.strerror}") from exc


def _decoded(text: bytes, where: str) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise _not_utf_8(where, exc) from exc


def _not_utf_8(where: str, exc: UnicodeDecodeError) -> Complaint:
    return misuse(f"{where} is not UTF-8: byte {exc.start + 1} is {exc.object[exc.start]:#04x}")


def _what(text: str) -> str:
    short = " ".join(text[: 2 * AROUND].split())
    return f"{short}..." if len(text) > 2 * AROUND else short


def _around(text: str, at: int) -> str:
    """`after {"a": 5, comes }`."""
    before, after = (
        " ".join(part.split()) for part in (text[max(at - AROUND, 0) : at], text[at : at + AROUND])
    )
    return f"{f'after {before} ' if before else ''}comes {after or 'nothing'}"

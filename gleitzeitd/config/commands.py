"""The words of a command, and whether they are any."""

from __future__ import annotations

import os
import re
import shlex

from gleitzeitd.config.substitute import cut_out, without
from gleitzeitd.config.values import is_command

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_OF_A_SHELL = re.compile(r"[|&;<>()`]")
_BARE = re.compile(r"(?<!\\)\$([A-Za-z_]\w*)")
_HOLE = "\0"


def argv_of(command: list[str] | str) -> tuple[str, ...]:
    """The words; a `${...}` is never cut. Raises ValueError when text cannot be split into words."""
    if not isinstance(command, str):
        return tuple(command)
    if _HOLE in command:
        # No word may have it.
        return tuple(shlex.split(command))
    text, cut = cut_out(command, _HOLE)
    pieces = iter(cut)
    return tuple(re.sub(_HOLE, lambda _: next(pieces), word) for word in shlex.split(text))


def wrong_with(command: object, as_written: object = None) -> str | None:
    """Nothing of what is no command at all. That a program is missing shows at its start: it may come yet.

    `as_written`: what stands in the file, where something was put into it since.
    """
    if not is_command(command):
        return None
    try:
        argv = argv_of(command)
    except ValueError as exc:
        return f"cannot be split into words: {str(exc).lower()}"
    if isinstance(text := as_written or command, str) and (way_out := _of_a_shell(without(text))):
        return f"is not run by a shell: {way_out}"
    if not argv or not argv[0]:
        return "is empty: name a program"
    if any("\0" in word for word in argv):
        return "has a NUL character, which no argument can have"
    if not all(map(can_be_given, argv)):
        return "has a character that no argument can have"
    return None


def _of_a_shell(text: str) -> str | None:
    """What to write in the place of what only a shell understands."""
    if _OF_A_SHELL.search(_QUOTED.sub("", text)):
        # The text itself may be long, or tell a secret.
        return "write command: [sh, -c, '...']"
    bare = _BARE.search(_QUOTED.sub(lambda quoted: quoted[0] if quoted[0].startswith('"') else "", text))
    return f"write ${{{bare[1]}}} for ${bare[1]}" if bare else None


def can_be_given(text: str) -> bool:
    """Whether the kernel takes it as an argument or a variable."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False

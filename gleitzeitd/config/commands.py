"""The words of a command, and whether they are any."""

from __future__ import annotations

import os
import re
import shlex

from gleitzeitd.config.secrets import masked_text
from gleitzeitd.config.substitute import without
from gleitzeitd.config.values import is_command

_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
_OF_A_SHELL = re.compile(r"[|&;<>()`]")


def argv_of(command: list[str] | str) -> tuple[str, ...]:
    """Raises ValueError when text cannot be split into words."""
    return tuple(shlex.split(command) if isinstance(command, str) else command)


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
    if isinstance(text := as_written or command, str) and _OF_A_SHELL.search(_QUOTED.sub("", without(text))):
        return f"is not run by a shell: write command: [sh, -c, {shlex.quote(masked_text(text))}]"
    if not argv or not argv[0]:
        return "is empty: name a program"
    if any("\0" in word for word in argv):
        return "has a NUL character, which no argument can have"
    if not all(map(can_be_given, argv)):
        return "has a character that no argument can have"
    return None


def can_be_given(text: str) -> bool:
    """Whether the kernel takes it as an argument or a variable."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False

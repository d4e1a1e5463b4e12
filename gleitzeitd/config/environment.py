"""The rules about what goes into a provider's environment."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from gleitzeitd.config.block import Block
from gleitzeitd.config.commands import can_be_given
from gleitzeitd.config.place import Problem
from gleitzeitd.config.source import UnreadableError, read_text
from gleitzeitd.core.envfile import parse
from gleitzeitd.core.errors import ConfigError

LARGEST = 2**20
"""Bytes that an `env_file` may have, which is what is read of it at a start."""


def variables(block: Block) -> Iterator[Problem]:
    for name, value in block.section("env").items():
        if not _is_name(name):
            yield block.problem(("env", name), "no variable can have this name", key=True)
        elif isinstance(value, str) and not can_be_given(value):
            yield block.problem(("env", name), "has a character that no variable can have")


def inherited(block: Block) -> Iterator[Problem]:
    for path, name in block.texts("inherit_env"):
        # A pattern would inherit nothing, and say nothing.
        if len(path) > 1 and (not _is_name(name) or "*" in name):
            yield block.problem(path, f'"{block.shown(path, name)}" is not the name of a variable')


class Files:
    """The files of variables: many blocks may name the same one, which is read once."""

    def __init__(self) -> None:
        self._wrong_with = cache(_wrong_with)

    def problems(self, block: Block) -> Iterator[Problem]:
        """They hurt this block only: the file is another's to write, and read again at each start."""
        for path, name in block.texts("env_file") if isinstance(block.given, dict) else ():
            shown = str(block.shown(path, name))
            for problem in () if path in block.own.unresolved else self._wrong_with(block.beside(name)):
                yield block.problem(path, problem if shown == name else problem.replace(name, shown))


def _wrong_with(path: str) -> tuple[str, ...]:
    try:
        parse(read_text(path, LARGEST), path)
    except UnreadableError:
        # It is read again at each start, where it keeps down only who needs it.
        return ()
    except ConfigError as exc:
        return exc.problems
    return ()


def _is_name(name: str) -> bool:
    return name != "" and "=" not in name and can_be_given(name)

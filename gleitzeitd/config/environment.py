"""The rules about what goes into a provider's environment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from gleitzeitd.config.block import Block
from gleitzeitd.config.commands import can_be_given
from gleitzeitd.config.place import Problem
from gleitzeitd.config.source import UnreadableError, read_text
from gleitzeitd.core.envfile import parse
from gleitzeitd.core.errors import ConfigError


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


def files(blocks: Iterable[Block]) -> Iterator[Problem]:
    """Of all blocks at once, since many may name the same file, which is read once."""
    wrong = cache(_wrong_with)
    for block in blocks:
        for path, name in block.texts("env_file"):
            shown = str(block.shown(path, name))
            for problem in wrong(block.beside(name)):
                yield block.problem(path, problem if shown == name else problem.replace(name, shown))


def _wrong_with(path: str) -> tuple[str, ...]:
    try:
        parse(read_text(path), path)
    except UnreadableError:
        # It is read again at each start, where it keeps down only who needs it.
        return ()
    except ConfigError as exc:
        return exc.problems
    return ()


def _is_name(name: str) -> bool:
    return name != "" and "=" not in name and can_be_given(name)

"""Prints the reference of the command line out of the tree of commands: the same words that `--help` has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gleitzeitctl.app import HEADINGS, TREE
from gleitzeitctl.session import Session
from gleitzeitctl.tree import LazyGroup, root

PROGRAM = "gleitzeitctl"


def reference() -> Iterator[str]:
    """A heading of each section, and one for each command with all that its help says."""
    tree = root(TREE, has_completion=False, headings=HEADINGS)
    with tree.make_context(PROGRAM, ["status"], obj=Session()) as context:
        everywhere = {param.name for param in tree.params}
        yield from _of_group(context, tree, everywhere, level=2)


def _of_group(context: Any, group: LazyGroup, everywhere: set[str | None], level: int) -> Iterator[str]:
    for name in group.commands:
        if heading := group.headings.get(name):
            yield f"\n## {heading}\n"
        command: Any = group.get_command(context, name)
        with command.make_context(name, [], parent=context, resilient_parsing=True) as inner:
            yield f"\n{'#' * (level + 1)} `{inner.command_path.partition(' ')[2]}`\n\n"
            yield from _told(inner, command, everywhere)
            if isinstance(command, LazyGroup):
                yield from _of_group(inner, command, everywhere, level + 1)


def _told(context: Any, command: Any, everywhere: set[str | None]) -> Iterator[str]:
    words, _, example = (command.help or "").partition("Example:")
    yield words.replace("\b", "").strip() + "\n"
    if isinstance(command, LazyGroup):
        return
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"\n    {usage}\n"
    rows = [param.get_help_record(context) for param in command.params if param.name not in everywhere]
    if any(rows):
        yield "\n| | |\n| --- | --- |\n"
    for name, meaning in filter(None, rows):
        yield f"| `{name}` | {_cell(meaning)} |\n"
    lines = [line.strip() for line in example.partition("\n\n")[0].splitlines() if line.strip()]
    yield "\nFor example:\n\n" + "".join(f"    {line}\n" for line in lines)


def _cell(text: str) -> str:
    """Text in a table, where a line ends it and a bar its column."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")

"""From the line as it is typed to what may stand next: a command, an option, or what a daemon knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from typer._click.core import Parameter
from typer._click.shell_completion import _resolve_context, _resolve_incomplete, split_arg_string

from gleitzeitctl.completion.live import FILES, Asked, offer_for, offered
from gleitzeitctl.session import Session
from gleitzeitctl.tree import LazyGroup, sentence

if TYPE_CHECKING:
    from typer._click import Command, Context

CURSOR = "\0"
"""Stands at the end of the line while it is split: a word may be begun, or be open in its quotes."""


class Item(NamedTuple):
    """A whole word that may stand there, and what it is."""

    word: str
    meaning: str = ""


class Completion(NamedTuple):
    """`typed` is the word that the cursor is at the end of. Without `items` it may be the name of a file."""

    typed: str
    items: list[Item] | None


def complete(tree: LazyGroup, program: str, line: str, session: Session, is_told: bool) -> Completion:
    """What may stand at the end of `line`; `is_told` asks for meanings, which takes longer."""
    *words, last = split_arg_string(line + CURSOR)
    typed, before = last.removesuffix(CURSOR), words[1:]
    context = _resolve_context(tree, {"obj": session}, program, before)
    subject, rest = _resolve_incomplete(context, before, typed)
    said = typed.removesuffix(rest)  # --option= before its value
    if isinstance(subject, Parameter):
        items = _values(context, subject, rest)
    else:
        items = _names(context, subject, rest, is_told)
    if items is None:
        return Completion(typed, None)
    fitting = (Item(said + item.word, item.meaning) for item in items if item.word.startswith(rest))
    return Completion(typed, list(dict.fromkeys(fitting)))


def _names(context: Context, command: Command, typed: str, is_told: bool) -> list[Item]:
    if isinstance(command, LazyGroup) and not typed.startswith("-"):
        return [Item(name, _sentence(context, command, name) if is_told else "") for name in command.commands]
    return [Item(found.value, found.help or "") for found in command.shell_complete(context, typed)]


def _sentence(context: Context, group: LazyGroup, name: str) -> str:
    with suppress(Exception):  # a command that cannot be imported here has a name all the same
        return sentence(group.get_command(context, name))
    return ""


def _values(context: Context, param: Parameter, typed: str) -> list[Item] | None:
    """What may be given for an argument or option; None for a file."""
    metavar = (param.metavar or "").strip("[].")
    path = tuple(_path(context))
    if offer := offer_for(path, metavar):
        asked = Asked(context.ensure_object(Session).client, context.params, typed)
        return [Item(word) for word in offered(offer, asked)]
    # as in @FILE, - for stdin is no name to complete
    if any(word in metavar for word in FILES):
        return None
    found = param.shell_complete(context, typed)
    if any(one.type in ("file", "dir") for one in found):
        return None
    return [Item(one.value, one.help or "") for one in found]


def _path(context: Context) -> Iterator[str]:
    """The names of the command, without the program's."""
    if context.parent:
        yield from _path(context.parent)
        yield context.info_name or ""

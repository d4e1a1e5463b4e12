"""The tree of commands as typer sees it: all names are there, and a command is imported when it is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from gleitzeit_extensions.version import VERSION
from gleitzeitctl.complaint import USAGE
from gleitzeitctl.render import note
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter, Parameter

Tree = dict[str, Any]
"""Name -> `module:function` in `gleitzeitctl.commands`, or a group's tree; `""` -> the group's sentence, or
that and the function whose options may stand before the names of its commands."""


NO_HEADINGS: Mapping[str, str] = {}


def remember_socket(context: typer.Context, path: str | None) -> None:
    if path:
        Session.of(context).socket = path


def remember_json(context: typer.Context, is_wanted: bool) -> None:
    if is_wanted:
        Session.of(context).json = True


SOCKET = typer.Option(
    "--socket",
    metavar="PATH",
    callback=remember_socket,
    expose_value=False,
    help="The daemon's control socket; else $GLEITZEIT_SOCKET, else your own daemon's, else the system's.",
)
JSON = typer.Option("--json", callback=remember_json, expose_value=False, help="Print the API's JSON.")


def everywhere(socket: Annotated[str | None, SOCKET] = None, json: Annotated[bool, JSON] = False) -> None:
    """What may be said before and after the name of any command."""


class PlainCommand(TyperCommand):
    """A command whose usage has NAME for what must be given, as everybody writes it, instead of {NAME}."""

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


def tell_version(context: typer.Context, is_wanted: bool) -> None:
    if is_wanted:
        print(f"{context.info_name} {VERSION}")
        raise typer.Exit


OWN = typer.Option(
    "--version", is_eager=True, callback=tell_version, expose_value=False, help="Print its version."
)


def itself(version: Annotated[bool, OWN] = False) -> None:
    """What may be said of the program alone."""


class LazyGroup(TyperGroup):
    """A group that knows its commands by name and makes the one that is asked for."""

    tree: Tree
    everywhere: list[Parameter]
    headings: Mapping[str, str] = NO_HEADINGS
    """What stands above a command in the help, and above those that follow it."""

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        match self.tree.get(cmd_name):
            case dict() as tree:
                return group(cmd_name, tree)
            case str(where) if cmd_name:
                return self._load(cmd_name, where)
        return None

    def _load(self, name: str, where: str) -> Command:
        command = _command(name, where)
        command.params += self.everywhere
        return command

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        width = max(map(len, self.commands))
        rows: list[tuple[str, str]] = []
        sections = [("Commands", rows)]
        for name in self.commands:
            if heading := self.headings.get(name):
                sections.append((heading, rows := []))
            rows.append((name.ljust(width), sentence(self.get_command(ctx, name))))
        for heading, rows in sections:
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            note(ctx.get_help())
            raise typer.Exit(USAGE)
        return super().parse_args(ctx, args)


def sentence(command: Command | None) -> str:
    """What a command does: the first line of its help."""
    return (command.help or "").strip().partition("\n")[0] if command else ""


def group(name: str | None, tree: Tree) -> LazyGroup:
    sentence, before = tree[""] if isinstance(tree[""], tuple) else (tree[""], None)
    app = _app(cls=LazyGroup, name=name)
    app.callback(help=sentence)(everywhere)
    made = cast(LazyGroup, get_command(app))
    made.tree, made.everywhere = tree, list(made.params)
    if before:
        made.params += _command(name, before).params
    # typer lists these names and suggests them after a slip; what they stand for it asks of get_command
    made.commands = cast(Any, dict.fromkeys(name for name in tree if name))
    return made


def _command(name: str | None, where: str) -> Command:
    module, _, function = where.partition(":")
    return _made(name, getattr(import_module(f"gleitzeitctl.commands.{module}"), function))


def _made(name: str | None, function: Callable[..., Any]) -> Command:
    app = _app()
    app.command(name, cls=PlainCommand)(function)
    made = get_command(app)
    # what stands behind a program's name is the program's, also what looks like an option of ours
    made.allow_interspersed_args = not getattr(function, "runs_a_program", False)
    return made


def root(tree: Tree, has_completion: bool, headings: Mapping[str, str] = NO_HEADINGS) -> LazyGroup:
    """The whole tree; the options that install completion cost a start, so they must be asked for."""
    made = group(None, tree)
    made.headings = headings
    made.params += _made(None, itself).params
    if has_completion:
        from gleitzeitctl.completion.scripts import options

        made.params += _made(None, options).params
    return made


def _app(**settings: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )

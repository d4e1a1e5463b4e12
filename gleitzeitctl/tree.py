"""The tree of commands as typer sees it: all names are there, and a command is imported when it is chosen."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_install_completion_arguments

from gleitzeitctl.complaint import USAGE
from gleitzeitctl.render import note
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from typer._click import Command, Context, Parameter

Tree = dict[str, Any]
"""Name -> `module:function` in `gleitzeitctl.commands`, or a group's tree; `""` -> the group's sentence, or
that and the function whose options may stand before the names of its commands."""


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


class LazyGroup(TyperGroup):
    """A group that knows its commands by name and makes the one that is asked for."""

    tree: Tree
    everywhere: list[Parameter]

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

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            note(ctx.get_help())
            raise typer.Exit(USAGE)
        return super().parse_args(ctx, args)


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
    app = _app()
    app.command(name)(getattr(import_module(f"gleitzeitctl.commands.{module}"), function))
    return get_command(app)


def root(tree: Tree, has_completion: bool) -> LazyGroup:
    """The whole tree; the options that install completion cost 3 ms, so they must be asked for."""
    made = group(None, tree)
    if has_completion:
        made.params += get_install_completion_arguments()
    return made


def _app(**settings: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        **settings,
    )

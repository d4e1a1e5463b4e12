"""`config providers`, `create` and `schema`, and the option that may stand before any of the group."""

import os
import shlex
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gleitzeitctl.commands.config_file import ConfigFile, explained_of, in_words, named, option
from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import note, table
from gleitzeitctl.session import Session
from gleitzeitctl.tree import LazyGroup

if TYPE_CHECKING:
    from gleitzeitd.config.effective import Explained

NEW = "config/providers.yaml"
COLUMNS = ("NAME", "ENABLED", "TYPE", "RUNS", "DESCRIPTION")

Target = Annotated[str, option("The file to write; - prints it instead.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def remember_config_file(context: typer.Context, path: str | None) -> None:
    """As if it had been said behind the command's name."""
    if named(path):
        names = cast(LazyGroup, context.command).tree
        context.default_map = {name: {"config_file": path} for name in names}


Before = Annotated[
    str | None,
    typer.Option(
        "--config-file",
        metavar="FILE",
        callback=remember_config_file,
        expose_value=False,
        help="The config file; may stand behind the command's name, too.",
    ),
]


def before(config_file: Before = None) -> None:
    """What may be said before the name of a command of this group."""


def providers(context: typer.Context, config_file: ConfigFile = None) -> int:
    """List the providers of the config file.

    \b
    Example:
      gleitzeit config providers
    """
    session = Session.of(context)
    explained = explained_of(session, config_file)
    if explained is None:
        return 2
    session.show({"file": explained.path, "providers": _listed(explained)}, _table_of_providers)
    return 0


def create(context: typer.Context, config_file: Target = NEW, force: Force = False) -> None:
    """Write a config file to begin with.

    It has two providers that run at once, and every key with its default.

    \b
    Example:
      gleitzeit config create --config-file my-providers.yaml
    """
    from gleitzeitd.config.json_schema import SHIPPED
    from gleitzeitd.config.template import template

    session = Session.of(context)
    text = template(SHIPPED.as_uri())
    if config_file == "-":
        session.show({"file": None, "text": text}, lambda _: print(text, end=""))
        return
    write_new(config_file, text.encode(), force)
    session.show({"file": config_file}, lambda _: print(f"created {config_file}"))


def schema(context: typer.Context) -> None:
    """Print the JSON Schema of the config file, for an editor.

    \b
    Example:
      gleitzeit config schema
    """
    from gleitzeitd.config.json_schema import schema, text

    Session.of(context).show(schema(), lambda _: print(text(), end=""))


def write_new(path: str, text: bytes, force: bool) -> None:
    """Write a file that is not there, or with `force` one that is. Raises Complaint."""
    from gleitzeitd.config.rewrite import held, replace

    if os.path.isdir(path) or path.endswith("/"):
        raise misuse(f"{path} is a directory: name a file")
    if os.path.exists(path) and not force:
        raise misuse(f"{path} is there already: choose another file, or replace it with --force")
    with in_words():
        was = held(path)
        os.makedirs(os.path.dirname(os.path.realpath(path)), exist_ok=True)
        replace(path, was, text)


def _listed(explained: "Explained") -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "enabled": name in explained.enabled,
            **_runs({one.key: one.value for one in settings}),
        }
        for name, settings in explained.providers.items()
    ]


def _runs(values: dict[str, Any]) -> dict[str, Any]:
    return {key: values.get(key) for key in ("type", "class", "extension", "command", "description")}


def _table_of_providers(answer: dict[str, Any]) -> None:
    rows = [
        (one["name"], "yes" if one["enabled"] else "no", one["type"], _program(one), one["description"])
        for one in answer["providers"]
    ]
    table(COLUMNS, rows)
    if not rows:
        note("there is no provider yet")


def _program(one: dict[str, Any]) -> str:
    command, extension = one["command"], one["extension"]
    if extension:
        return f"extension {extension}"
    return one["class"] or (command if isinstance(command, str) else shlex.join(command or ()))

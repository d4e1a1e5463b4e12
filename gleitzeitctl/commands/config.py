"""`config providers`, `create` and `schema`; and how any of the group comes to its config file."""

import os
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from gleitzeitctl.complaint import Complaint, misuse
from gleitzeitctl.render import as_json, note, table
from gleitzeitctl.session import Session
from gleitzeitctl.tree import LazyGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gleitzeitd.config.effective import Explained

NEW = "config/providers.yaml"
COLUMNS = ("NAME", "ENABLED", "TYPE", "RUNS", "DESCRIPTION")

ConfigFile = Annotated[
    str | None,
    typer.Option("--config-file", metavar="FILE", help="The config file [default: where it is looked for]."),
]
Target = Annotated[
    str, typer.Option("--config-file", metavar="FILE", help="The file to write; - prints it instead.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def remember_config_file(context: typer.Context, path: str | None) -> None:
    """As if it had been said behind the command's name."""
    if path:
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
    _write(config_file, text, force)
    session.show({"file": config_file}, lambda _: print(f"created {config_file}"))


def schema(context: typer.Context) -> None:
    """Print the JSON Schema of the config file, for an editor.

    \b
    Example:
      gleitzeit config schema
    """
    from gleitzeitd.config.json_schema import schema, text

    Session.of(context).show(schema(), lambda _: print(text(), end=""))


def found(given: str | None) -> str:
    """The config file; it is told which one was found when none was named. Raises ConfigError."""
    from gleitzeitd.config.load import find

    path = find(given, "--config-file")
    if given is None:
        note(f"the config file is {path}")
    return path


def refused(session: Session, problems: "Sequence[str]") -> int:
    """Tell why a config file cannot be used; the exit status."""
    sentence = "\n".join(problems)
    envelope = Complaint(sentence, 2, "invalid_request").wire()
    note(as_json({"error": envelope}) if session.json else sentence)
    return 2


def explained_of(session: Session, given: str | None) -> "Explained | None":
    """The file with all its values; None when it cannot be used, and that has been told."""
    from gleitzeitd.config.effective import explain
    from gleitzeitd.core.errors import ConfigError

    try:
        return explain(found(given))
    except ConfigError as exc:
        refused(session, exc.problems)
    return None


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
    return {key: values.get(key) for key in ("type", "class", "command", "description")}


def _table_of_providers(answer: dict[str, Any]) -> None:
    rows = [
        (one["name"], "yes" if one["enabled"] else "no", one["type"], _program(one), one["description"])
        for one in answer["providers"]
    ]
    table(COLUMNS, rows)
    if not rows:
        note("there is no provider yet")


def _program(one: dict[str, Any]) -> str:
    command = one["command"]
    return one["class"] or (command if isinstance(command, str) else shlex.join(command or ()))


def _write(path: str, text: str, force: bool) -> None:
    """Put the whole text at `path`, or nothing; what is there is replaced only by force."""
    target = os.path.realpath(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    aside = f"{target}.{os.getpid()}.new"
    # It may come to hold secrets.
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(aside, target)
        else:
            os.link(aside, target)
    except FileExistsError:
        raise misuse(f"{path} is there already: choose another file, or replace it with --force") from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside)

"""How a command of `config` comes to its file, and how it tells what is wrong with it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gleitzeitctl.complaint import Complaint, misuse
from gleitzeitctl.render import as_json, note
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gleitzeitd.config.effective import Explained

RELOADS = "a daemon that runs on it reloads it by itself"
AT_START = "it applies when the daemon is started anew"


def named(path: str | None) -> str | None:
    if path == "":
        raise misuse("--config-file needs the name of a file")
    return path


def option(help: str) -> Any:
    return typer.Option("--config-file", metavar="FILE", callback=named, help=help)


ConfigFile = Annotated[str | None, option("The config file [default: where it is looked for].")]
DaemonsFile = Annotated[str | None, option("The config file that the daemon is to run on.")]


def found(session: Session, given: str | None) -> str:
    """The config file; it is told which one was found when none was named. Raises ConfigError."""
    from gleitzeitd.config.load import find
    from gleitzeitd.core.errors import ConfigError

    path = find(given, "--config-file")
    if _is_missing(path):
        by = "--config-file" if given else "$GLEITZEIT_CONFIG"
        raise ConfigError((f"{path}: there is no such file, which {by} names",))
    if given is None:
        hint(session, f"the config file is {path}")
    return path


def _is_missing(path: str) -> bool:
    try:
        os.lstat(path)
    except OSError as exc:
        return isinstance(exc, FileNotFoundError)
    return False


def hint(session: Session, sentence: str) -> None:
    """Tell a person; a program that asked for JSON gets nothing else."""
    if not session.json:
        note(sentence)


@contextmanager
def in_words() -> Iterator[None]:
    """What the config's own code refuses ends the command with its sentence."""
    from gleitzeitd.core.errors import GleitzeitError

    try:
        yield
    except GleitzeitError as exc:
        raise Complaint(str(exc), 1, "internal") from exc


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
        return explain(found(session, given))
    except ConfigError as exc:
        refused(session, exc.problems)
    return None

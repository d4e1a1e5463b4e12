"""`config set`, `config enable` and `config disable`: settings changed in the owner's own files."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from gleitzeitctl.commands.config_file import AT_START, RELOADS, ConfigFile, found, hint, refused
from gleitzeitctl.complaint import Complaint
from gleitzeitctl.render import note
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from gleitzeitd.config.change import Change, Config

T = TypeVar("T")

Key = Annotated[str, typer.Argument(metavar="KEY", help="Such as providers.calculator.health.interval.")]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="In YAML: 10s, true, [a, b] or '\"text\"'.")]
Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Providers.")]


def set_value(context: typer.Context, key: Key, value: Value, config_file: ConfigFile = None) -> int:
    """Change one setting, and leave every other byte as it is.

    A value that the daemon would refuse is not written; one that begins with - goes behind --. A secret
    had better be a variable: '${NAME}'.

    \b
    Example:
      gleitzeitctl config set providers.calculator.health.interval 10s
      gleitzeitctl config set providers.calculator.nice -- -5
    """
    from gleitzeitd.config.flow import value_of

    session = Session.of(context)
    change = _changed(session, config_file, lambda config: config.set(config.path_of(key), value_of(value)))
    if change is None:
        return 2
    session.show(_as_json(change), lambda _: _tell(change))
    return 0


def enable(context: typer.Context, names: Names, config_file: ConfigFile = None) -> int:
    """Enable providers in the config file.

    \b
    Example:
      gleitzeitctl config enable calculator
    """
    return _switch(context, names, config_file, True)


def disable(context: typer.Context, names: Names, config_file: ConfigFile = None) -> int:
    """Disable providers in the config file.

    That lasts: what "stop" has stopped is started again with the daemon.

    \b
    Example:
      gleitzeitctl config disable calculator
    """
    return _switch(context, names, config_file, False)


def _switch(context: typer.Context, names: list[str], config_file: str | None, is_enabled: bool) -> int:
    session, each = Session.of(context), list(dict.fromkeys(names))
    changes = _changed(session, config_file, lambda config: config.switch(each, is_enabled))
    if changes is None:
        return 2
    answer = {"results": [_as_json(change) for change in changes]}
    session.show(answer, lambda _: _tell_each(changes, "enabled" if is_enabled else "disabled"))
    return 0


def _changed(session: Session, config_file: str | None, change: "Callable[[Config], T]") -> T | None:
    """What was changed; None when it was refused, and that has been told."""
    from gleitzeitd.config.change import Config
    from gleitzeitd.config.flow import EditError
    from gleitzeitd.config.rewrite import RewriteError
    from gleitzeitd.core.errors import ConfigError

    try:
        return change(Config(found(session, config_file)))
    except ConfigError as exc:
        refused(session, exc.problems)
        hint(session, "nothing was changed")
    except EditError as exc:
        refused(session, (str(exc),))
    except RewriteError as exc:
        raise Complaint(str(exc), 1, "internal") from exc
    return None


def _tell(change: "Change") -> None:
    from gleitzeitd.config.flow import flow
    from gleitzeitd.config.secrets import MASK

    before, after = (MASK if value == MASK else flow(value) for value in change.shown)
    if change.is_new:
        was = "" if change.before is None else f", was {before}"
        print(f"{change.key} is {after} in {change.place}{was}")
        note(AT_START if change.path == ("global", "default_server_url") else RELOADS)
    else:
        print(f"{change.key} is {after} already in {change.place}")


def _tell_each(changes: "Sequence[Change]", word: str) -> None:
    for change in changes:
        already = "" if change.is_new else "already "
        print(f"{change.path[1]} is {already}{word} in {change.place}")
    if any(change.is_new for change in changes):
        note(RELOADS)


def _as_json(change: "Change") -> dict[str, Any]:
    before, after = change.shown
    return {
        "file": change.file,
        "line": change.line,
        "key": change.key,
        "before": before,
        "after": after,
        "changed": change.is_new,
    }

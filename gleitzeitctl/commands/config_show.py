"""`config show`: what is in effect, and where it comes from."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gleitzeitctl.commands.config_file import ConfigFile, explained_of, hint
from gleitzeitctl.render import cut, table, terminal_width
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gleitzeitd.config.effective import Explained, Setting

COLUMNS = ("KEY", "VALUE", "FROM")
SHARE_OF_A_VALUE = 2
"""A value has half of a terminal's width: where it comes from is to be seen, too."""

All = Annotated[bool, typer.Option("--all", help="Show what is at its default, too.")]


def show(context: typer.Context, config_file: ConfigFile = None, all: All = False) -> int:
    """Show what is in effect, and where each value comes from.

    \b
    Example:
      gleitzeit config show --config-file my-providers.yaml
    """
    session = Session.of(context)
    explained = explained_of(session, config_file)
    if explained is None:
        return 2
    session.show(_as_json(explained), lambda _: _tell(explained, all))
    for mistake in explained.mistakes:
        hint(session, mistake)
    return 0


def _as_json(explained: "Explained") -> dict[str, Any]:
    return {
        "file": explained.path,
        "files": explained.files,
        "global": _settings(explained.common),
        "providers": {
            name: {"enabled": name in explained.enabled, "settings": _settings(settings)}
            for name, settings in explained.providers.items()
        },
        "mistakes": explained.mistakes,
    }


def _settings(settings: "Iterable[Setting]") -> dict[str, Any]:
    return {one.key: {"value": one.value, "from": one.origin, "where": one.where} for one in settings}


def _tell(explained: "Explained", all: bool) -> None:
    print("\n".join(explained.files))
    of_global, of_provider = _kinds("Global"), _kinds("Provider")
    of_defaults = {f"defaults.{key}": kind for key, kind in of_provider.items()}
    _tell_section("global", explained.common, of_global | of_defaults, all)
    for name, settings in explained.providers.items():
        title = name if name in explained.enabled else f"{name} (disabled)"
        _tell_section(title, settings, of_provider, all)


def _kinds(definition: str) -> dict[str, str]:
    from gleitzeitd.config.reference import keys

    return {".".join(key.path): key.kind for key in keys(definition)}


def _tell_section(title: str, settings: "Iterable[Setting]", kinds: dict[str, str], all: bool) -> None:
    from gleitzeitd.config.effective import Origin

    rows = [one for one in settings if all or one.origin is not Origin.DEFAULT]
    print(f"\n{title}" if rows else f"\n{title}: all at its default")
    table(COLUMNS, [(one.key, _value(one, kinds.get(one.key)), _source(one)) for one in rows])


def _value(one: "Setting", kind: str | None) -> str:
    from gleitzeitd.config.reference import shown

    text = one.value if isinstance(one.value, str) and one.value else shown(one.value, kind)
    return cut(text, terminal_width() // SHARE_OF_A_VALUE)


def _source(one: "Setting") -> str:
    from gleitzeitd.config.effective import Origin

    if one.origin is Origin.FILE:
        return one.where
    return f"{one.origin}, {one.where}" if one.where else str(one.origin)

"""`config validate`: every mistake in the config file, one a line."""

import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gleitzeitctl.commands.config_file import ConfigFile, found
from gleitzeitctl.render import note
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from gleitzeitd.core.spec import House

Imports = Annotated[
    bool, typer.Option("--imports", help="Import the class or extension of each enabled provider, too.")
]

_PROBLEM = re.compile(
    r"(?P<file>.+?):(?P<line>\d+):(?P<column>\d+): (?:(?P<path>[^\s:\"]+): )?(?P<message>.*)", re.DOTALL
)


def validate(context: typer.Context, config_file: ConfigFile = None, imports: Imports = False) -> int:
    """Find every mistake in the config file.

    Ends with 2 when there is one. With --imports each class and extension is imported, in a process
    of its own as the daemon would start it.

    \b
    Example:
      gleitzeit config validate --imports
    """
    from gleitzeitd.config.load import load
    from gleitzeitd.core.errors import ConfigError

    session, summary = Session.of(context), ""
    path = config_file or os.environ.get("GLEITZEIT_CONFIG")
    try:
        path = found(session, config_file)
        house = load(path)
        problems = [mistake for spec in house.specs for mistake in spec.mistakes]
        if imports:
            problems += _broken_imports(house)
        summary = f"{path}: ok, {_count(house)}"
    except ConfigError as exc:
        problems = list(exc.problems)
    told = {"file": path, "ok": not problems, "problems": [_parts(path, problem) for problem in problems]}
    session.show(told, lambda _: _tell(problems, summary))
    return 2 if problems else 0


def _tell(problems: list[str], summary: str) -> None:
    for problem in problems:
        note(problem)
    if not problems:
        print(summary)


def _count(house: "House") -> str:
    number, disabled = len(house.specs) + len(house.disabled), len(house.disabled)
    return f"{number} provider{'s' * (number != 1)}" + (f" ({disabled} disabled)" if disabled else "")


def _parts(path: str | None, problem: str) -> dict[str, Any]:
    """A mistake as a program wants it: where it stands, what it is about, and the sentence."""
    if match := _PROBLEM.fullmatch(problem):
        place = {"line": int(match["line"]), "column": int(match["column"])}
        return {"file": match["file"], **place, "path": match["path"] or "", "message": match["message"]}
    message = problem.removeprefix(f"{path}: ")
    return {"file": path, "line": None, "column": None, "path": "", "message": message}


def _broken_imports(house: "House") -> list[str]:
    """One sentence for each class and extension that cannot be imported, with where it is named."""
    import anyio

    from gleitzeitd.config.imports import failures
    from gleitzeitd.processes.environment import child_environment

    well = [spec for spec in house.specs if not spec.mistakes]
    # as `serve` does, which looks in the current directory, too
    directories = list(dict.fromkeys([os.path.dirname(os.path.abspath(house.path)), os.getcwd()]))
    broken = anyio.run(failures, well, directories, lambda spec: child_environment(os.environ, spec))
    places = _places(house.path) if broken else {}
    return [f"{place}: {broken[name]}" for name, place in places.items() if name in broken]


def _places(path: str) -> dict[str, str]:
    """Where it is named what each provider imports: provider -> `file:line:col: its key`."""
    from gleitzeitd.config.effective import explain

    return {
        name: f"{one.where}: providers.{name}.{one.key}"
        for name, keys in explain(path).providers.items()
        for one in keys
        if one.key in ("class", "extension")
    }

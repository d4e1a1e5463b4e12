"""`config history`, `config diff` and `config rollback`: what the daemon applied, and the way back to it."""

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gleitzeitctl.commands.config_file import AT_START, RELOADS, DaemonsFile, hint, in_words
from gleitzeitctl.commands.config_kept import Kept, kept
from gleitzeitctl.complaint import Complaint, misuse
from gleitzeitctl.render import GREEN, RED, coloured, note, table
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from gleitzeitd.config.difference import State

COLUMNS = ("NUMBER", "TIME", "WHAT")
NONE_YET = "the daemon has not kept any version of {} yet"

Number = Annotated[int, typer.Argument(metavar="N", help='A version\'s number: see "config history".')]
Old = Annotated[int | None, typer.Argument(metavar="N", help="A version; else what is applied now.")]
New = Annotated[int | None, typer.Argument(metavar="M", help="Another; else the files as they are now.")]


def history(context: typer.Context, config_file: DaemonsFile = None) -> None:
    """List the configs that the daemon applied, newest first.

    \b
    Example:
      gleitzeitctl config history
    """
    session = Session.of(context)
    session.show(kept(session, config_file).answer, _list)


def diff(context: typer.Context, old: Old = None, new: New = None, config_file: DaemonsFile = None) -> None:
    """Show how the files differ from what was applied.

    With one number, from that version; with two, these from each other. Secrets are masked.

    \b
    Example:
      gleitzeitctl config diff 3 5
    """
    from gleitzeitd.config.difference import difference
    from gleitzeitd.config.load import declared_secrets

    session = Session.of(context)
    known = kept(session, config_file)
    before = known.version(_current(known) if old is None else old)
    after = _disk(known.config) if new is None else known.version(new)
    lines = difference(before, after, declared_secrets(known.config))
    session.show({"from": before.label, "to": after.label, "diff": lines}, lambda _: _show(lines))
    if not lines:
        hint(session, "no difference")


def rollback(context: typer.Context, number: Number, config_file: DaemonsFile = None) -> None:
    """Write the files of an earlier version back.

    A file of providers.d that this version did not have is moved aside, to NAME.yaml.rolled-back. An edit
    that is in no version is left there, too, and so is what cannot be read. It works without the daemon, too.

    \b
    Example:
      gleitzeitctl config rollback 3
    """
    from gleitzeitd.config.difference import difference
    from gleitzeitd.config.files import write_back
    from gleitzeitd.config.load import declared_secrets

    session = Session.of(context)
    known = kept(session, config_file)
    directory = os.path.dirname(known.config)
    if not (os.path.isdir(directory) and os.access(directory, os.X_OK)):
        where = "is not on this machine (or may not be entered): run it where the daemon runs"
        raise Complaint(f"the directory {directory} {where}", 1, "conflict")
    lines = difference(_disk(known.config), known.version(number), declared_secrets(known.config))
    if not session.json:
        _show(lines)
    done = list[dict[str, str]]()
    versions = {each: known.files(each) for each in known.numbers}
    with in_words():
        for path, what in write_back(known.config, versions[number], versions.values()):
            done.append({"file": path, "what": what})
            if not session.json:
                print(f"{path}: {what}")
    session.show({"version": number, "files": done}, lambda _: _told(known, number, bool(done)))


def _list(answer: dict[str, Any]) -> None:
    rows = [(one["number"], _local(one["time"]), _what(one, answer["but_for"])) for one in answer["versions"]]
    table(COLUMNS, rows)
    if not rows:
        note(NONE_YET.format(answer["config"]))


def _local(time: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _what(version: dict[str, Any], but_for: list[str]) -> str:
    if not version["current"]:
        return str(version["summary"])
    others = f" but for {', '.join(but_for)}, which go on as they were" if but_for else ""
    return f"{version['summary']} (applied now{others})"


def _current(known: Kept) -> int:
    versions = known.answer["versions"]
    if not versions:
        raise misuse(NONE_YET.format(known.config))
    return int(next((one for one in versions if one["current"]), versions[0])["number"])


def _disk(config: str) -> "State":
    from gleitzeitd.config.difference import State
    from gleitzeitd.config.files import on_disk

    return State("on disk", on_disk(config))


def _show(lines: list[str]) -> None:
    for line in lines:
        print(coloured(line, _colour(line)))


def _colour(line: str) -> int | None:
    is_title = line.startswith(("+++ ", "--- "))
    return None if is_title else {"+": GREEN, "-": RED}.get(line[:1])


def _told(known: Kept, number: int, is_changed: bool) -> None:
    if is_changed:
        note(f'{RELOADS}: see "gleitzeitctl status"' if known.is_running else AT_START)
    else:
        print(f"the files are those of version {number} already")

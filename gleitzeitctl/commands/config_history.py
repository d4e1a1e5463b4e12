"""`config history`, `config diff` and `config rollback`: what the daemon applied, and the way back to it."""

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gleitzeitctl.complaint import Complaint, misuse
from gleitzeitctl.render import GREEN, RED, coloured, note, table
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gleitzeitd.config.difference import State

HISTORY = "/v1/config/history"
COLUMNS = ("NUMBER", "TIME", "WHAT")

Number = Annotated[int, typer.Argument(metavar="N", help='A version\'s number: see "config history".')]
Old = Annotated[int | None, typer.Argument(metavar="N", help="A version; else what is applied now.")]
New = Annotated[int | None, typer.Argument(metavar="M", help="Another; else the files as they are now.")]


def history(context: typer.Context) -> None:
    """List the configs that the daemon applied, newest first.

    \b
    Example:
      gleitzeitctl config history
    """
    session = Session.of(context)
    session.show(session.client.get(HISTORY), _list)


def diff(context: typer.Context, old: Old = None, new: New = None) -> None:
    """Show how the files differ from what was applied.

    With one number, from that version; with two, these from each other. Secrets are masked.

    \b
    Example:
      gleitzeitctl config diff 3 5
    """
    from gleitzeitd.config.difference import difference

    session = Session.of(context)
    known = session.client.get(HISTORY)
    before = _version(session, known, _current(known) if old is None else old)
    after = _disk(known["config"]) if new is None else _version(session, known, new)
    lines = difference(before, after)
    session.show({"from": before.label, "to": after.label, "diff": lines}, lambda _: _show(lines))


def rollback(context: typer.Context, number: Number) -> None:
    """Write the files of an earlier version back.

    A file of providers.d that this version did not have is moved aside, to NAME.yaml.rolled-back.

    \b
    Example:
      gleitzeitctl config rollback 3
    """
    from gleitzeitd.config.difference import difference
    from gleitzeitd.config.files import write_back

    session = Session.of(context)
    known = session.client.get(HISTORY)
    config = known["config"]
    if not os.path.isfile(config):
        raise Complaint(f"{config}: is not here: roll back where the daemon's files are", 1, "conflict")
    version = _version(session, known, number)
    lines = difference(_disk(config), version)
    if not session.json:
        _show(lines)
    done = list[dict[str, str]]()
    with _in_words():
        for path, what in write_back(config, version.files):
            done.append({"file": path, "what": what})
            if not session.json:
                print(f"{path}: {what}")
    session.show({"version": number, "files": done}, lambda _: _told(number, bool(done)))


def _list(answer: dict[str, Any]) -> None:
    rows = [(one["number"], _local(one["time"]), _what(one)) for one in answer["versions"]]
    table(COLUMNS, rows)
    if not rows:
        note(f"the daemon has not kept any version of {answer['config']} yet")


def _local(time: str) -> str:
    from datetime import datetime

    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _what(version: dict[str, Any]) -> str:
    return f"{version['summary']} (applied now)" if version["current"] else str(version["summary"])


def _current(known: dict[str, Any]) -> int:
    versions = known["versions"]
    if not versions:
        raise misuse(f"the daemon has not kept any version of {known['config']} yet")
    return int(next((one for one in versions if one["current"]), versions[0])["number"])


def _version(session: Session, known: dict[str, Any], number: int) -> "State":
    from gleitzeitd.config.difference import State

    numbers = [one["number"] for one in known["versions"]]
    if number not in numbers:
        there_are = f"there are {', '.join(map(str, numbers))}" if numbers else "there is none yet"
        raise misuse(f"there is no version {number} of {known['config']} ({there_are})")
    return State(f"version {number}", session.client.get(f"{HISTORY}/{number}")["files"])


def _disk(config: str) -> "State":
    from gleitzeitd.config.difference import State
    from gleitzeitd.config.files import texts

    with _in_words():
        return State("on disk", texts(config))


@contextmanager
def _in_words() -> "Iterator[None]":
    """What the config's own code refuses ends the command with its sentence."""
    from gleitzeitd.core.errors import GleitzeitError

    try:
        yield
    except GleitzeitError as exc:
        raise Complaint(str(exc), 1, "internal") from exc


def _show(lines: list[str]) -> None:
    for line in lines:
        print(coloured(line, _colour(line)))
    if not lines:
        note("no difference")


def _colour(line: str) -> int | None:
    is_title = line.startswith(("+++ ", "--- "))
    return None if is_title else {"+": GREEN, "-": RED}.get(line[:1])


def _told(number: int, is_changed: bool) -> None:
    if is_changed:
        note('a daemon that runs on it reloads it by itself: see "gleitzeitctl status"')
    else:
        print(f"the files are those of version {number} already")

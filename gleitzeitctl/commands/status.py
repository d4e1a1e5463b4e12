"""`status`: what runs, since when, and why not."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.complaint import Complaint
from gleitzeitctl.render import cut, duration, flat, lines_of, note, percent, size, terminal_width, width_of
from gleitzeitctl.session import Session
from gleitzeitctl.watching import watch

LEAVING = ("HEALTH", "CALLS", "PID", "MEMORY", "CPU", "RESTARTS", "UPTIME")
"""The columns that a narrow terminal does without, the first to go first: nothing may wrap."""
COLUMNS = ("NAME", "STATE", "HEALTH", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "CALLS", "WHY")
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Providers, instances, or patterns such as `web*`; else all."),
]
Watch = Annotated[bool, typer.Option("--watch", help="Look again each second, until Ctrl-C.")]


def status(context: typer.Context, names: Names = None, watched: Watch = False) -> int:
    """Show each provider's state, and why it is not running.

    Ends with 0 when the daemon answers; with names (or `all`) only when all of them are RUNNING, else with 1.

    \b
    Example:
      gleitzeitctl status calculator
    """
    session = Session.of(context)
    asked = [] if "all" in (names or ()) else [("name", name) for name in names or ()]
    if watched and not session.json:
        watch(lambda rows: _screen(session, asked, rows))
    answer = session.client.get("/v1/status", asked)
    session.show(answer, _in_words)
    return 0 if not names or _all_running(answer["instances"]) else 1


def _all_running(instances: list[dict[str, Any]]) -> bool:
    return bool(instances) and all(instance["state"] == "RUNNING" for instance in instances)


def _in_words(answer: dict[str, Any]) -> None:
    for sentence in _sentences(answer):
        note(sentence)
    for line in _table(answer["instances"]):
        print(line)


def _screen(session: Session, asked: list[tuple[str, str]], rows: int) -> list[str]:
    """What fits into so many rows: those that are not well come first where there is no room for all."""
    try:
        answer = session.client.get("/v1/status", asked)
    except (Complaint, CallError) as exc:
        return [cut(flat(exc), terminal_width())]
    told = [cut(flat(sentence), terminal_width()) for sentence in _sentences(answer)]
    instances = answer["instances"]
    lines = [*told, *_table(instances)]
    if _height(lines) <= rows:
        return lines
    shown = sorted(instances, key=lambda instance: instance["state"] == "RUNNING" and not _why(instance))
    while shown and _height(lines) > rows - 1:
        shown = shown[: -max((_height(lines) - rows) // 2, 1)]
        lines = [*told, *_table(shown)]
    return [*lines[: rows - 1], f"{len(instances) - len(shown)} more are not shown"]


def _height(lines: list[str]) -> int:
    """The rows that they take: a reason below the table may go on in the next one."""
    columns = terminal_width()
    return sum(max(-(-width_of(line) // columns), 1) for line in lines)


def _sentences(answer: dict[str, Any]) -> Iterator[str]:
    """What is to be known beside the instances."""
    daemon = answer["daemon"]
    if daemon["state"] != "running":
        yield f"the daemon is {daemon['state']}"
    yield from _problems(daemon)
    if daemon["changing"]:
        names = ", ".join(daemon["changing"])
        yield f"on the way to what the config file wants: {names}"
    if daemon["after_daemon_restart"]:
        keys = ", ".join(daemon["after_daemon_restart"])
        yield f"{keys} has changed in the file, and applies when the daemon is started anew"
    for failure in daemon["failures"]:
        again = '"gleitzeitctl reload" tries it again'
        yield f'"{failure["name"]}" goes on as it was: its replacement failed: {failure["reason"]}: {again}'
    if daemon["not_kept"]:
        yield f"what runs is not kept for a rollback: {daemon['not_kept']}"
    if not answer["instances"]:
        yield f"there is no provider yet: add one to {daemon['config']}"


def _problems(daemon: dict[str, Any]) -> Iterator[str]:
    if daemon["refused"]:
        yield "the config file as it is now is refused, and what it was before runs on:"
    elif daemon["problems"]:
        yield "these providers cannot be run as the config file wants them now:"
    for problem in daemon["problems"]:
        yield f"  {problem}"
    if daemon["refused"]:
        yield '  mend it, or go back: see "gleitzeitctl config diff" and "gleitzeitctl config history"'


def _table(instances: list[dict[str, Any]]) -> list[str]:
    """With the reasons in it where they fit, else below it."""
    rows = [_row(instance) for instance in instances]
    reasons = [(instance["name"], _why(instance)) for instance in instances]
    columns, rows = _fitting(COLUMNS[:-1], rows)
    bare = lines_of(columns, rows)
    room = terminal_width() - max(map(width_of, bare), default=0) - 2
    longest = max((len(why) for _, why in reasons), default=0)
    if not longest:
        return bare
    if longest <= room:
        return lines_of((*columns, "WHY"), [(*row, why) for row, (_, why) in zip(rows, reasons, strict=True)])
    return [*bare, "", *(f"{flat(name)}: {flat(why)}" for name, why in reasons if why)]


def _fitting(
    columns: tuple[str, ...], rows: list[tuple[object, ...]]
) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """Without the columns for which the terminal has no room."""
    if not rows:
        return columns, rows
    told = dict(zip(columns, zip(*rows, strict=True), strict=True))
    told = {name: cells for name, cells in told.items() if any(map(flat, cells))}
    needed = {name: max(width_of(flat(cell)) for cell in (name, *cells)) + 2 for name, cells in told.items()}
    for name in LEAVING:
        if name in told and sum(needed.values()) - 2 > terminal_width():
            del told[name], needed[name]
    return tuple(told), list(zip(*told.values(), strict=True))


def _row(instance: dict[str, Any]) -> tuple[object, ...]:
    return (
        instance["name"],
        instance["state"],
        instance["health"],
        instance["pid"],
        duration(instance["uptime"]),
        instance["restarts"],
        percent(instance["cpu"]),
        size(instance["memory"]),
        instance["in_flight"],
    )


def _beside(other: dict[str, Any]) -> str:
    """Of a life that is to take its place, or had it."""
    if other["role"] == "coming":
        because = f" ({other['reason']})" if other["reason"] else ""
        return f"to be replaced by generation {other['generation'] or 'next'}, {other['state']}{because}"
    calls = f", {other['in_flight']} calls left" if other["in_flight"] else ""
    return f"generation {other['generation']} is leaving{calls}"


def _why(instance: dict[str, Any]) -> str:
    """What is not fine with it: nothing to say about one that runs and is ready."""
    said = ["external" if instance["kind"] == "external" else None, instance["reason"]]
    if instance["next_in"] is not None:
        left = instance["next_in"]
        said.append(f"next attempt in {duration(left)}" if left >= 1 else "next attempt now")
    said += [_beside(other) for other in instance["beside"]]
    if instance["dropped_output"]:
        said.append(f"{instance['dropped_output']} bytes of its output could not be kept")
    return "; ".join(filter(None, said))

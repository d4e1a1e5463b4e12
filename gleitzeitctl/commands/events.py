"""`events`: what happened to providers, to the config and to the daemon."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from gleitzeitctl.again import when_it_is_back
from gleitzeitctl.complaint import UNREACHABLE, Complaint
from gleitzeitctl.render import as_json, flat, note, paint
from gleitzeitctl.session import Session

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Providers, instances, or patterns such as `web*`; else all."),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")]
Lines = Annotated[
    int, typer.Option("--lines", "-n", metavar="N", min=0, max=1000, help="How many of the last events.")
]
Query = list[tuple[str, str | int]]
STATE = 8
"""Columns of the longest state that is usual."""


def events(context: typer.Context, names: Names = None, follow: Follow = False, lines: Lines = 50) -> None:
    """Show what happened: starts, ends and their reasons, reloads, the daemon itself.

    Evidence, such as the last lines that a process wrote to stderr, stands below an event. --follow goes on
    over restarts of the daemon, which keeps the last 1000 events of its own life.

    \b
    Example:
      gleitzeitctl events calculator -n 20
    """
    session = Session.of(context)
    query: Query = [("name", name) for name in names or []]
    told = _followed(session, query, lines) if follow else _asked(session, [*query, ("n", lines)])
    width = 0
    for event in told:
        if "missed" in event:
            note(f"{event['missed']} events are missing here: they were not read in time")
            continue
        width = max(width, len(event["name"] or "-"))
        texts = [as_json(event)] if session.json else _in_words(event, width)
        print("\n".join(texts), flush=follow)


def _asked(session: Session, query: Query) -> Iterator[dict[str, Any]]:
    return session.client.follow("/v1/events", query)


def _followed(session: Session, names: Query, lines: int) -> Iterator[dict[str, Any]]:
    # one that was never there is not waited for
    seen = "".join(event["cursor"] for event in _asked(session, [("n", 1)]))
    begin: tuple[str, str | int] = ("n", lines)
    while True:
        try:
            for event in _asked(session, [*names, begin, ("follow", 1)]):
                yield event
                seen = event.get("cursor", seen)
        except Complaint as exc:
            if exc.exit != UNREACHABLE:
                raise
        when_it_is_back(lambda: session.client.get("/v1/version"))
        begin = ("after", seen)


def _in_words(event: dict[str, Any], width: int) -> list[str]:
    time = datetime.fromisoformat(event["time"]).astimezone().strftime("%m-%d %H:%M:%S")
    state = paint((event["state"] or "").ljust(STATE))
    line = f"{time}  {flat(event['name'] or '-'):{width}}  {state}  {flat(event['what'])}".rstrip()
    return [line, *(f"{'':{width + STATE + 18}}| {flat(text)}" for text in event["evidence"])]

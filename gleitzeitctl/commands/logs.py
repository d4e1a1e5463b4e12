"""`logs`: what providers print, as they print it."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import as_json, note
from gleitzeitctl.session import Session

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="A provider or instance; else all.")]
Provider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="The same as NAME.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")]
Lines = Annotated[int, typer.Option("--lines", "-n", metavar="N", min=0, help="How many of the last lines.")]
Stderr = Annotated[bool, typer.Option("--stderr", help="Only what was printed to stderr.")]


def logs(
    context: typer.Context,
    name: Name = None,
    provider: Provider = None,
    follow: Follow = False,
    lines: Lines = 100,
    stderr: Stderr = False,
) -> None:
    """Show what providers print.

    What one prints is shown as it came; of several, each line has the name before it.

    \b
    Example:
      gleitzeitctl logs calculator -f -n 20
    """
    if name and provider and name != provider:
        raise misuse(f'"{name}" and --provider "{provider}" are two: name one of them, or none for all')
    session, asked = Session.of(context), name or provider
    which = ([("name", asked)] if asked else []) + ([("stream", "stderr")] if stderr else [])
    records = session.client.follow("/v1/logs", [*which, ("n", lines), ("follow", int(follow))])
    for text in map(as_line, records) if session.json else in_words(records, asked):
        print(text, end="", flush=follow)


def as_line(record: dict[str, Any]) -> str:
    return f"{as_json(record)}\n"


def in_words(records: Iterator[dict[str, Any]], asked: str | None) -> Iterator[str]:
    """The text to print: with a name before each line, unless it is the name that was asked for."""
    unfinished, width = None, 0
    for record in records:
        instance = record["instance"]
        if "missed" in record:
            whose = instance or asked or "all"
            note(f"{record['missed']} bytes of {whose} are missing here: they were not read in time")
            continue
        width = max(width, len(instance))
        goes_on = unfinished == instance
        break_before = "\n" if unfinished and not goes_on else ""
        prefix = "" if goes_on or instance == asked else f"{instance.ljust(width)} | "
        yield f"{break_before}{prefix}{record['line']}" + ("" if record["partial"] else "\n")
        unfinished = instance if record["partial"] else None

"""`logs`: what providers print, as they print it."""

import io
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import is_seen
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from gleitzeitctl.logs.grep import Search
    from gleitzeitctl.logs.records import Wanted

USUAL = 100
"""Lines that are shown where nothing else says how many."""

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Providers, instances, or patterns such as `web*`; else all."),
]
Provider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="The same as NAME.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")]
Lines = Annotated[
    int | None,
    typer.Option("--lines", "-n", metavar="N", min=0, help="How many of the last lines [default: 100]."),
]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help='Only what is newer: 10m, 05:10, "2026-11-23 05:10".'),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only what is older.")]
Grep = Annotated[
    str | None, typer.Option("--grep", metavar="REGEX", help="Only lines that have this in them.")
]
Stderr = Annotated[bool, typer.Option("--stderr", help="Only what was printed to stderr.")]
Times = Annotated[bool, typer.Option("--timestamps", "-t", help="Show when each line was printed.")]


def logs(
    context: typer.Context,
    names: Names = None,
    provider: Provider = None,
    follow: Follow = False,
    lines: Lines = None,
    since: Since = None,
    until: Until = None,
    grep: Grep = None,
    stderr: Stderr = False,
    times: Times = False,
) -> None:
    """Show what providers print.

    What one prints is shown as it came; of several, each line has the name before it. The last 100 lines,
    or all that --since, --until and --grep ask for. Without a daemon the files are read.

    \b
    Example:
      gleitzeitctl logs calculator --since 10m --stderr
    """
    from gleitzeitctl.logs.following import Following
    from gleitzeitctl.logs.memory import Memory
    from gleitzeitctl.logs.reading import Reading
    from gleitzeitctl.logs.shown import Words, as_line

    session = Session.of(context)
    asked = list(dict.fromkeys([*(names or ()), *([provider] if provider else ())])) or ["all"]
    wanted = _wanted(since, until, grep, stderr)
    if follow and until:
        raise misuse("--follow goes on, and --until ends: use one of them")
    # what is asked for by time or content is wanted whole
    count = lines if lines is not None else None if since or until or grep else USUAL
    reading = Reading(Memory(session.client, asked, wanted.stream), asked, wanted, count)
    reading.find()
    records = Following(reading).follow() if follow else reading.past()
    alone = asked[0] if asked == reading.instances else None
    in_words = Words(alone, max(map(len, reading.instances), default=0), times)
    for text in map(as_line, records) if session.json else in_words(records):
        _write(text, follow)


def _write(text: str, at_once: bool) -> None:
    if is_seen() or not isinstance(sys.stdout, io.TextIOWrapper):
        print(text, end="", flush=at_once)
        return
    # who reads it gets the bytes that came, whatever the encoding here
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    if at_once:
        sys.stdout.buffer.flush()


def _wanted(since: str | None, until: str | None, grep: str | None, stderr: bool) -> "Wanted":
    from gleitzeitctl.logs.records import Wanted
    from gleitzeitctl.logs.times import stamp

    wanted = Wanted(
        since=stamp("--since", since) if since is not None else b"",
        until=stamp("--until", until) if until is not None else b"",
        stream="stderr" if stderr else "",
        grep=_search(grep) if grep is not None else None,
    )
    if wanted.until and wanted.since >= wanted.until:
        raise misuse(f'nothing lies between --since "{since}" and --until "{until}": the second is earlier')
    return wanted


def _search(text: str) -> "Search":
    from gleitzeitctl.logs.grep import Search

    try:
        return Search.of(text)
    except re.error as exc:
        raise misuse(f'--grep "{text}" is no regular expression: {exc}') from exc

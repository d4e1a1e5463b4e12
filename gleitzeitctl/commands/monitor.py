"""`monitor`: what runs, as it goes: full-screen at a terminal, else one table."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Annotated, Any

import typer

from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import as_json
from gleitzeitctl.session import Session

Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="A provider, an instance or a pattern; else all.")
]
Provider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="The same as NAME.")]
Once = Annotated[bool, typer.Option("--once", help="Print one table and end.")]


def monitor(context: typer.Context, name: Name = None, provider: Provider = None, once: Once = False) -> None:
    """Watch what runs: processors, memory, restarts, calls, their latency and errors.

    Of one provider the view shows details, with its methods and what failed last. Keys: up and down select,
    left and right choose the column that sorts, / filters, r restarts, l shows the log, ? helps, q quits.
    Without a terminal one table is printed. With --json each second's look is one line.

    \b
    Example:
      gleitzeitctl monitor calculator --once
    """
    if name and provider and name != provider:
        raise misuse(f'"{name}" and --provider "{provider}" are two: name one of them, or none for all')
    session, names = Session.of(context), [one for one in (name or provider,) if one and one != "all"]
    looks: Iterator[Any] = session.client.follow(
        "/v1/monitor", [("every", 1), *(("name", name) for name in names)]
    )
    with closing(looks):  # type: ignore[type-var]
        if session.json:
            for look in islice(looks, 1, 2) if once else looks:
                print(as_json(look), flush=True)
        elif once or not _has_terminal():
            from gleitzeitctl.monitor.once import tell

            # The first look has nothing to compare with.
            tell(session.client, next(islice(looks, 1, 2)), is_of_one=bool(names))
        else:
            from gleitzeitctl.monitor.run import watch

            first = next(looks)
            looks.close()  # type: ignore[attr-defined]
            watch(session.client.path, names, first)


def _has_terminal() -> bool:
    """Whether somebody is there who sees a screen and presses keys."""
    both = all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout))
    return both and os.environ.get("TERM", "dumb") != "dumb"

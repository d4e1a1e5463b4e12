"""`batch`: many calls from a file, and their results into one."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from gleitzeit_extensions.places import control_socket
from gleitzeitctl.complaint import UNREACHABLE, Complaint, misuse
from gleitzeitctl.render import as_json, note
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from gleitzeit_extensions.batch.files import Output
    from gleitzeitctl.batching import Outcome

File = Annotated[str, typer.Argument(metavar="FILE", help="Calls, one object of JSON a line; - is stdin.")]
Out = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE", help="Where the results go, a line each.")
]
Failed = Annotated[
    str | None,
    typer.Option("--failed", metavar="FILE", help="Where calls that failed go [default: OUT.failed.jsonl]."),
]
Concurrency = Annotated[
    int, typer.Option("--concurrency", "-j", metavar="N", min=1, max=1000, help="Calls at a time.")
]
Unordered = Annotated[bool, typer.Option("--unordered", help="Write results as they come.")]


def batch(
    context: typer.Context,
    file: File,
    output: Out,
    failed: Failed = None,
    concurrency: Concurrency = 16,
    unordered: Unordered = False,
) -> int:
    """Make many calls, and write each result once.

    A line is a call, as {"provider": "calculator", "method": "add", "args": {"a": 1, "b": 2}}, and may have
    an `id`. Failures that may pass are tried again for a while. What was interrupted, however it was, goes on
    with the same command; what failed is a file to begin with. Ends with 1 when a call failed.

    \b
    Example:
      gleitzeitctl batch calls.jsonl -o results.jsonl
    """
    from gleitzeit_extensions.batch.engine import Away
    from gleitzeit_extensions.batch.files import FileError, Output, Places
    from gleitzeitctl.batching import run

    session = Session.of(context)
    places = Places(file, output, failed or _failed_of(output))
    if len({os.path.realpath(path) for path in (file, places.out, places.failed)}) < 3:
        raise misuse("the calls, the results and the calls that failed are three files")
    try:
        made = Output(places)
        try:
            outcome = run(control_socket(session.socket), made, concurrency, not unordered)
        finally:
            made.close()
    except FileError as exc:
        raise Complaint(str(exc), 1, "conflict") from exc
    except Away as exc:
        again = "give the same command again when it is back: it goes on where it was"
        raise Complaint(f"{exc}: {again}", UNREACHABLE, "unavailable") from exc
    _tell(session, made, outcome)
    if not outcome.is_complete:
        raise KeyboardInterrupt
    return 1 if made.done.failed else 0


def _failed_of(output: str) -> str:
    return f"{output.removesuffix('.jsonl')}.failed.jsonl"


def _tell(session: Session, made: "Output", outcome: "Outcome") -> None:
    done = made.done
    if session.json:
        told = {
            "done": done.count,
            "failed": done.failed,
            "now": outcome.now,
            "complete": outcome.is_complete,
        }
        print(as_json(told))
        return
    where = f"; they are in {made.places.failed}" if done.failed else ""
    now = f"{outcome.now} now, in {outcome.seconds:.1f} s"
    note(f"{done.count} lines are done ({now}), {done.failed} failed{where}")
    if not outcome.is_complete:
        note("the same command goes on where this was")

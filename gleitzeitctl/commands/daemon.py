"""`shutdown` and `version`: the daemon itself."""

import os
import select
from contextlib import suppress
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CODES, CallError
from gleitzeit_extensions.version import VERSION
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import DAEMON, INTERRUPTED, Complaint, a_number_of_seconds, seconds, skew
from gleitzeitctl.render import note
from gleitzeitctl.session import Session

Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Come back when it has ended, or at once.")]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", parser=a_number_of_seconds, help="How long to wait at most."
    ),
]


def shutdown(context: typer.Context, wait: Wait = False, timeout: Timeout = 60) -> None:
    """Stop all providers and end the daemon.

    \b
    Example:
      gleitzeitctl shutdown --wait
    """
    session = Session.of(context)
    seconds(timeout, least=0)
    process = _process(session.client) if wait else None
    answer = session.client.post("/v1/shutdown", {})
    if process is not None and not _has_ended(process, timeout):
        sentence = f'the daemon has not ended within {timeout:g} s: "gleitzeitctl status" shows what is left'
        raise Complaint(sentence, CODES["deadline_exceeded"].exit, "deadline_exceeded")
    session.show(answer, lambda _: print("the daemon has ended" if wait else "the daemon is ending"))


def _process(client: Client) -> int | None:
    """A descriptor of the daemon's process; None when it is gone."""
    # asked for while it lives: later its pid may be another's
    with suppress(ProcessLookupError):
        return os.pidfd_open(client.get("/v1/version")["pid"])
    return None


def _has_ended(process: int, timeout: float) -> bool:
    ending = select.poll()
    ending.register(process, select.POLLIN)
    try:
        return bool(ending.poll(timeout * 1000))
    except KeyboardInterrupt as exc:
        sentence = 'the daemon goes on ending: "gleitzeitctl status" shows what is left'
        raise Complaint(sentence, INTERRUPTED, "interrupted") from exc


def version(context: typer.Context) -> None:
    """Show the versions of command line and daemon.

    \b
    Example:
      gleitzeitctl version
    """
    session = Session.of(context)
    try:
        daemon = session.client.get("/v1/version")
    except (CallError, Complaint) as exc:
        daemon = None
        note(str(exc))
    session.show({"client": VERSION, "daemon": daemon}, _in_words)
    if daemon and not session.json and (why := skew(f"{DAEMON}{daemon['version']}")):
        note(why)


def _in_words(answer: dict[str, Any]) -> None:
    print(f"gleitzeitctl {answer['client']}")
    if daemon := answer["daemon"]:
        speaks = f"gz/{daemon['proto']}, Python {daemon['python']}"
        print(f"gleitzeitd {daemon['version']}, {speaks}, pid {daemon['pid']}")

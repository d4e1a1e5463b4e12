"""`start`, `stop`, `restart`: say what is wanted, and wait until it is so."""

from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CODES
from gleitzeitctl.client import PATIENCE
from gleitzeitctl.complaint import a_number_of_seconds, seconds
from gleitzeitctl.render import note
from gleitzeitctl.session import Session

GRACE = 5.0
"""Seconds that the daemon has beyond a deadline to say that it passed."""

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Providers or instances, or `all`.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Come back when it is so, or at once.")]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", metavar="SECONDS", parser=a_number_of_seconds, help="How long to wait at most."
    ),
]

Rolling = Annotated[
    bool,
    typer.Option(
        "--rolling", help="Have a new life ready first where that can be, one instance after the other."
    ),
]


def start(context: typer.Context, names: Names, wait: Wait = True, timeout: Timeout = 60) -> int:
    """Start providers, and wait until they are ready.

    \b
    Example:
      gleitzeitctl start calculator
    """
    return _steer("start", context, names, wait, timeout)


def stop(context: typer.Context, names: Names, wait: Wait = True, timeout: Timeout = 60) -> int:
    """Stop providers, after the calls they are at.

    They stay stopped until you start them or the daemon starts anew.

    \b
    Example:
      gleitzeitctl stop all --timeout 30
    """
    return _steer("stop", context, names, wait, timeout)


def restart(
    context: typer.Context, names: Names, rolling: Rolling = False, wait: Wait = True, timeout: Timeout = 60
) -> int:
    """Stop providers and start them again.

    \b
    Example:
      gleitzeitctl restart calculator --rolling
    """
    return _steer("restart", context, names, wait, timeout, **({"rolling": True} if rolling else {}))


def _steer(
    verb: str, context: typer.Context, names: list[str], wait: bool, timeout: float, **more: bool
) -> int:
    session = Session.of(context)
    seconds(timeout, least=0)
    body = {"names": names, "wait": wait, "timeout": timeout, **more}
    answer = session.client.post(f"/v1/{verb}", body, timeout + GRACE if wait else PATIENCE)
    session.show(answer, lambda answer: _in_words(verb, answer["results"]))
    return _status(answer["results"])


def _in_words(verb: str, results: list[dict[str, Any]]) -> None:
    for result in results:
        name, state, reason = result["name"], result["state"], result["reason"]
        if result["ok"]:
            print(f"{name}: {state}" + (f", pid {result['pid']}" if result["pid"] else ""))
        else:
            why = f"it is {state}" + (f": {reason}" if reason else "")
            note(f'gleitzeitctl: could not {verb} "{name}": {why}: see "gleitzeitctl why {name}"')


def _status(results: list[dict[str, Any]]) -> int:
    """0 when all went well; what is wrong with those that did not, when it is one thing; else 1."""
    codes = {result.get("code") for result in results if not result["ok"]}
    if not codes:
        return 0
    code = codes.pop()
    return CODES[code].exit if not codes and code in CODES else 1

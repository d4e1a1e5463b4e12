"""`start`, `stop`, `restart`: say what is wanted, and wait until it is so."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CODES
from gleitzeitctl.complaint import a_number_of_seconds, seconds
from gleitzeitctl.progress import Clock, Tell, View, shown, status
from gleitzeitctl.render import flat, note, paint
from gleitzeitctl.session import Session

Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="Providers or instances, patterns of them such as 'calc*', or `all`."
    ),
]
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
GOALS = {"start": ("RUNNING", "EXITED"), "stop": ("STOPPED",), "restart": ("RUNNING", "EXITED")}


def start(context: typer.Context, names: Names, wait: Wait = True, timeout: Timeout = 60) -> int:
    """Start providers, and wait until they are ready.

    \b
    Example:
      gleitzeitctl start calculator
    """
    return steer("start", Session.of(context), names, wait, timeout)


def stop(context: typer.Context, names: Names, wait: Wait = True, timeout: Timeout = 60) -> int:
    """Stop providers, after the calls they are at.

    They stay stopped until you start them or the daemon starts anew.

    \b
    Example:
      gleitzeitctl stop all --timeout 30
    """
    return steer("stop", Session.of(context), names, wait, timeout)


def restart(
    context: typer.Context, names: Names, rolling: Rolling = False, wait: Wait = True, timeout: Timeout = 60
) -> int:
    """Stop providers and start them again.

    \b
    Example:
      gleitzeitctl restart calculator --rolling
    """
    return steer(
        "restart", Session.of(context), names, wait, timeout, **({"rolling": True} if rolling else {})
    )


def steer(verb: str, session: Session, names: list[str], wait: bool, timeout: float, **more: bool) -> int:
    """Say what is wanted of these, and tell what became of it; the exit status."""
    seconds(timeout, least=0)
    body = {"names": names, "wait": wait, "timeout": timeout, **more}
    if wait:
        answer = _waited_for(session, verb, names, body, timeout)
    else:
        answer = session.client.post(f"/v1/{verb}", body)
    session.show(answer, lambda answer: _in_words(verb, answer["results"], timeout))
    return status_of(answer["results"])


def _waited_for(session: Session, verb: str, names: list[str], body: dict[str, Any], timeout: float) -> Any:
    client = session.client
    with shown(client, names, lambda answer: tell(answer), session.json) as show:
        before = status(client, names) if show and verb == "restart" else None
        tell = telling(verb, before["instances"] if before else ())
        return client.wait(f"/v1/{verb}", body, timeout, show)


def telling(verb: str, before: Sequence[View]) -> Tell:
    """How far it is, in a line; `before`: how those were that are to be restarted."""
    goals, clock, was = GOALS[verb], Clock(), {view["name"]: view["generation"] for view in before}

    def is_so(view: View) -> bool:
        is_new = verb != "restart" or view["generation"] > was.get(view["name"], -1)
        return view["state"] in goals and is_new

    def tell(answer: View) -> str:
        views = answer["instances"]
        ways = [(view["name"], clock.how(view)) for view in views if not is_so(view)]
        done = f"{len(views) - len(ways)} of {len(views)} are {goals[0]}"
        if not ways:
            return done
        (name, how), *others = ways
        waiting = f"waiting for {name}: {how}" + (f", and {len(others)} more" if others else "")
        return waiting if len(views) == 1 else f"{done}; {waiting}"

    return tell


def _in_words(verb: str, results: list[dict[str, Any]], timeout: float) -> None:
    fine = [result for result in results if result["ok"]]
    names, states = (max((len(result[key]) for result in fine), default=0) for key in ("name", "state"))
    for result in fine:
        pid = f"pid {result['pid']}" if result["pid"] else ""
        print(f"{flat(result['name']):{names}}  {paint(result['state'].ljust(states))}  {pid}".rstrip())
    for result in results:
        if not result["ok"]:
            note("\n".join(_failure(verb, result, timeout)))


def _failure(verb: str, result: dict[str, Any], timeout: float) -> Iterator[str]:
    name, reason = result["name"], result["reason"]
    late = f" within {timeout:g} s" if result.get("code") == "deadline_exceeded" else ""
    why = f"it is {result['state']}" + (f": {flat(reason)}" if reason else "")
    yield f'gleitzeitctl: could not {verb} "{name}"{late}: {why}: see "gleitzeitctl why {name}"'
    if result.get("next"):
        yield f"  {result['next']}"
    yield from evidence(result)


def evidence(result: dict[str, Any]) -> Iterator[str]:
    """The last lines of what failed, unless the reason has told them already."""
    lines = [line.rstrip().expandtabs() for line in result.get("evidence", ())]
    if len(lines) > 1 or any(flat(line) not in flat(result["reason"]) for line in lines):
        yield from (f"  | {line}" for line in lines)


def status_of(results: list[dict[str, Any]]) -> int:
    """0 when all went well; what is wrong with those that did not, when it is one thing; else 1."""
    codes = {result.get("code") for result in results if not result["ok"]}
    if not codes:
        return 0
    code = codes.pop()
    return CODES[code].exit if not codes and code in CODES else 1

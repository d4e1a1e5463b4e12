"""`reload`: have the daemon take over the config file as it is now, or show what that would do."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CODES
from gleitzeitctl.client import PATIENCE
from gleitzeitctl.commands.steer import Timeout, Wait, evidence
from gleitzeitctl.complaint import USAGE, seconds
from gleitzeitctl.progress import Clock, Tell, View, shown
from gleitzeitctl.render import flat, note, table
from gleitzeitctl.session import Session

READING = 30.0
"""Seconds that the daemon has to read the file: one of thousands of providers takes a while."""
WAY_BACK = 'mend it, or go back: see "gleitzeitctl config diff" and "gleitzeitctl config history"'
Dry = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]


def reload(context: typer.Context, dry_run: Dry = False, wait: Wait = True, timeout: Timeout = 60) -> int:
    """Take over the config file as it is now.

    The daemon does so by itself whenever the file is saved. This comes back when every provider is as it is
    wanted; one whose new settings fail keeps its old ones. Ends with 2 when the file is refused, and with 1
    when a provider could not be changed.

    \b
    Example:
      gleitzeitctl reload --dry-run
    """
    session = Session.of(context)
    seconds(timeout, least=0)
    body = {"dry_run": dry_run, "wait": wait, "timeout": timeout}
    if wait and not dry_run:
        answer = _waited_for(session, body, timeout)
    else:
        answer = session.client.post("/v1/reload", body, READING + PATIENCE)
    session.show(answer, lambda answer: _in_words(answer, dry_run, wait))
    return _status(answer, wait)


def _waited_for(session: Session, body: dict[str, Any], timeout: float) -> Any:
    client = session.client
    with shown(client, (), telling(), session.json) as show:
        return client.wait("/v1/reload", body, READING + timeout, show)


def telling() -> Tell:
    """Who is on the way to what is wanted, in a line."""
    clock = Clock()

    def way(view: View) -> str:
        coming = [other for other in view["beside"] if other["role"] == "coming"]
        if not coming:
            return f"{view['name']}: {clock.how(view)}"
        why = f" ({coming[0]['reason']})" if coming[0]["reason"] else ""
        return f"{view['name']}: its next life is {coming[0]['state']}{why}"

    def tell(answer: View) -> str:
        changing = answer["daemon"]["changing"]
        views = [view for view in answer["instances"] if view["provider"] in changing]
        busy = [view for view in views if view["state"] != "RUNNING" or view["beside"]] or views
        if not busy:
            return "waiting for the config file to be taken over"
        more = f", and {len(changing) - 1} more" if len(changing) > 1 else ""
        return f"waiting for {way(busy[0])}{more}"

    return tell


def _in_words(answer: dict[str, Any], dry_run: bool, wait: bool) -> None:
    for problem in answer["problems"]:
        note(problem)
    plan = answer["plan"]
    if plan is None:
        if answer["refused"]:
            note(f"{answer['config']} is refused, and nothing was changed: {WAY_BACK}")
        elif begun := ", ".join(result["name"] for result in answer["results"]):
            print(f"the file was taken over when it was saved, with changes of {begun}")
        else:
            print("nothing changed: the file is as it was taken over")
        _tell_failures(answer["results"], wait)
        return
    rows = [_row(step) for step in plan["providers"] if step["action"] != "unchanged"]
    table(("NAME", "ACTION", "BECAUSE OF"), rows)
    quiet = len(plan["providers"]) - len(rows)
    if quiet:
        print(f"{quiet} unchanged")
    for line in _of_the_daemon(plan, dry_run):
        print(line)
    _tell_failures(answer["results"], wait)


def _tell_failures(results: list[dict[str, Any]], wait: bool) -> None:
    for result in results:
        if not result["ok"] and (result["done"] or wait):
            note("\n".join((_failure(result), *evidence(result))))


def _row(step: dict[str, Any]) -> tuple[object, ...]:
    how = f" ({step['update']})" if step["update"] else ""
    because = "it cannot be started as it is wanted" if step["mistakes"] else " ".join(step["keys"])
    return step["name"], f"{step['action']}{how}", because


def _of_the_daemon(plan: dict[str, Any], dry_run: bool) -> Iterator[str]:
    if plan["global"]:
        keys = ", ".join(f"global.{key}" for key in plan["global"])
        yield f"{keys}: {'would apply' if dry_run else 'applies'} at once"
    if plan["after_daemon_restart"]:
        keys = ", ".join(f"global.{key}" for key in plan["after_daemon_restart"])
        yield f"{keys}: needs a restart of the daemon"


def _failure(result: dict[str, Any]) -> str:
    name = result["name"]
    if not result["done"]:
        how = f": {flat(result['reason'])}" if result["reason"] else ""
        return f'gleitzeitctl: "{name}" is still being changed{how}: see "gleitzeitctl status {name}"'
    kept = "its old settings are kept" if result["undone"] else f'see "gleitzeitctl why {name}"'
    return f'gleitzeitctl: could not change "{name}": {flat(result["reason"])}: {kept}'


def _status(answer: dict[str, Any], wait: bool) -> int:
    if answer["refused"]:
        return USAGE
    failed = [result for result in answer["results"] if not result["ok"] and (result["done"] or wait)]
    if not failed:
        return 1 if answer["problems"] else 0
    return 1 if any(result["done"] for result in failed) else CODES["deadline_exceeded"].exit

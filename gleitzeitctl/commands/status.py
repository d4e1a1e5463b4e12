"""`status`: what runs, since when, and why not."""

from typing import Annotated, Any

import typer

from gleitzeitctl.render import duration, note, percent, size, table
from gleitzeitctl.session import Session

COLUMNS = ("NAME", "STATE", "PID", "UPTIME", "RESTARTS", "CPU", "MEMORY", "CALLS", "WHY")
Names = Annotated[
    list[str] | None, typer.Argument(metavar="NAME...", help="Providers or instances; else all.")
]


def status(context: typer.Context, names: Names = None) -> int:
    """Show each provider's state, and why it is not running.

    Ends with 0 when the daemon answers; with names (or `all`) only when all of them are RUNNING, else with 1.

    \b
    Example:
      gleitzeitctl status calculator
    """
    session = Session.of(context)
    asked = [] if "all" in (names or ()) else [("name", name) for name in names or ()]
    answer = session.client.get("/v1/status", asked)
    session.show(answer, _in_words)
    return 0 if not names or _all_running(answer["instances"]) else 1


def _all_running(instances: list[dict[str, Any]]) -> bool:
    return bool(instances) and all(instance["state"] == "RUNNING" for instance in instances)


def _in_words(answer: dict[str, Any]) -> None:
    daemon, instances = answer["daemon"], answer["instances"]
    if daemon["state"] != "running":
        note(f"the daemon is {daemon['state']}")
    _tell_problems(daemon)
    if daemon["after_daemon_restart"]:
        keys = ", ".join(daemon["after_daemon_restart"])
        note(f"{keys} has changed in the file, and applies when the daemon is started anew")
    for failure in daemon["failures"]:
        again = '"gleitzeitctl reload" tries it again'
        note(f'"{failure["name"]}" goes on as it was: its replacement failed: {failure["reason"]}: {again}')
    if daemon["not_kept"]:
        note(f"what runs is not kept for a rollback: {daemon['not_kept']}")
    if instances:
        table(COLUMNS, [_row(instance) for instance in instances])
    else:
        note(f"there is no provider yet: add one to {daemon['config']}")


def _tell_problems(daemon: dict[str, Any]) -> None:
    if daemon["refused"]:
        note("the config file as it is now is refused, and what it was before runs on:")
    elif daemon["problems"]:
        note("these providers cannot be run as the config file wants them now:")
    for problem in daemon["problems"]:
        note(f"  {problem}")
    if daemon["refused"]:
        note('  mend it, or go back: see "gleitzeitctl config diff" and "gleitzeitctl config history"')


def _row(instance: dict[str, Any]) -> tuple[object, ...]:
    return (
        instance["name"],
        instance["state"],
        instance["pid"],
        duration(instance["uptime"]),
        instance["restarts"],
        percent(instance["cpu"]),
        size(instance["memory"]),
        instance["in_flight"],
        _why(instance),
    )


def _beside(other: dict[str, Any]) -> str:
    """Of a life that is to take its place, or had it."""
    if other["role"] == "coming":
        because = f" ({other['reason']})" if other["reason"] else ""
        return f"to be replaced by generation {other['generation'] or 'next'}, {other['state']}{because}"
    calls = f", {other['in_flight']} calls left" if other["in_flight"] else ""
    return f"generation {other['generation']} is leaving{calls}"


def _why(instance: dict[str, Any]) -> str:
    """What is not fine with it: nothing to say about one that runs, is ready and in good health."""
    is_well = instance["health"] in ("healthy", None)
    said = ["external" if instance["kind"] == "external" else None, instance["reason"]]
    said.append(None if is_well else instance["health"])
    if instance["next_in"] is not None:
        left = instance["next_in"]
        said.append(f"next attempt in {duration(left)}" if left >= 1 else "next attempt now")
    said += [_beside(other) for other in instance["beside"]]
    if instance["dropped_output"]:
        said.append(f"{instance['dropped_output']} bytes of its output could not be kept")
    return "; ".join(filter(None, said))

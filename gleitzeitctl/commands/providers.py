"""`providers list` and `providers health`: who can be called, and how they are."""

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.client import Client, provider
from gleitzeitctl.render import flat, note, table
from gleitzeitctl.session import Session

COLUMNS = ("NAME", "TYPE", "STATE", "MODELS", "DESCRIPTION", "METHODS")
Name = Annotated[str | None, typer.Argument(metavar="NAME", help="A provider; else all.")]


def show(context: typer.Context) -> None:
    """List the providers with what they offer.

    \b
    Example:
      gleitzeitctl providers list
    """
    session = Session.of(context)
    session.show(session.client.get("/v1/providers"), _in_words)


def _in_words(answer: dict[str, Any]) -> None:
    table(COLUMNS, [_row(one) for one in answer["providers"]])
    if not answer["providers"]:
        note("there is no provider yet")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    methods = " ".join(method["name"] for method in one["methods"])
    return one["name"], one["type"], one["state"], " ".join(one["models"]), one["description"], methods


def health(context: typer.Context, name: Name = None) -> int:
    """Ask providers how they are, now.

    Ends with 0 when all that were asked are healthy, else with 1.

    \b
    Example:
      gleitzeitctl providers health calculator
    """
    session = Session.of(context)
    if name:
        answer = session.client.get(provider(name, "health"), patience=None)
        session.show(answer, lambda answer: _tell([answer]))
        return 0 if is_well(answer) else 1
    every = [_ask(session.client, one) for one in session.client.get("/v1/providers")["providers"]]
    session.show({"providers": every}, lambda answer: _tell(answer["providers"]))
    return 0 if all(map(is_well, every)) else 1


def _ask(client: Client, one: dict[str, Any]) -> Any:
    """The health of one of many: that it can't be asked is said of it alone."""
    try:
        return client.get(provider(one["name"], "health"), patience=None)
    except CallError as exc:
        known = {"name": one["name"], "state": one["state"]}
        if one["kind"] == "command" and one["state"] == "RUNNING":
            return known | {"healthy": None, "health": None}
        return known | {"healthy": False, "health": {"error": exc.message}}


def is_well(answer: dict[str, Any]) -> bool:
    """A command without a check has no health of its own: to run is all it can do."""
    return bool(answer["healthy"] or (answer["healthy"] is None and answer["state"] == "RUNNING"))


def _tell(answers: Iterable[dict[str, Any]]) -> None:
    told = [one for answer in answers for one in _each(answer)]
    table(("NAME", "STATE", "HEALTH", "DETAILS"), [_health_row(one) for one in told])


def _each(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Of several instances each has its own word."""
    instances: list[dict[str, Any]] = answer.get("instances", [])
    return instances if len(instances) > 1 else [answer]


def _health_row(answer: dict[str, Any]) -> tuple[object, ...]:
    word = {True: "healthy", False: "unhealthy", None: ""}[answer["healthy"]]
    details = (f"{key}={flat(value)}" for key, value in (answer["health"] or {}).items() if key != "healthy")
    return answer["name"], answer["state"], word, " ".join(details)

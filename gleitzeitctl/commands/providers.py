"""`providers list` and `providers health`: who can be called, and how they are."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

import typer

from gleitzeit_extensions.protocol import CODES, CallError
from gleitzeitctl.client import Client, provider
from gleitzeitctl.render import as_json, flat, note, table, terminal_width
from gleitzeitctl.session import Session

COLUMNS = (
    *("NAME", "TYPE", "KIND", "STATE", "INSTANCES", "MODELS", "CAPABILITIES", "METHODS"),
    "DESCRIPTION",
)
LEAST_FIRST = ("CAPABILITIES", "INSTANCES", "KIND", "TYPE", "MODELS")
"""What a terminal that is too narrow does without, before its descriptions are cut to nothing."""

DESCRIBED = 20
"""Characters of a description that are worth more than another column."""

PATTERN = frozenset("*?[")
UNHEALTHY = CODES["no_instance"].exit
Listed = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME...",
        help="Providers, patterns such as 'calc*', and models or capabilities for who has them; else all.",
    ),
]
Asked = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", help="Providers, instances, or patterns such as 'calc*'; else all."),
]


def show(context: typer.Context, names: Listed = None) -> None:
    """List the providers with what they offer.

    \b
    Example:
      gleitzeitctl providers list
    """
    session = Session.of(context)
    session.show({"providers": _providers(session.client, names or [])}, _in_words)


def _providers(client: Client, names: list[str]) -> list[dict[str, Any]]:
    query = [] if "all" in names else [("name", name) for name in names]
    found: list[dict[str, Any]] = client.get("/v1/providers", query)["providers"]
    return found


def _in_words(answer: dict[str, Any]) -> None:
    table(*_fitting([_row(one) for one in answer["providers"]]))
    if not answer["providers"]:
        note("there is no provider yet")


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    counts = (len(one[what]) or "" for what in ("capabilities", "methods"))
    instances = one["instances"] if one["instances"] != 1 else ""
    what = (one["name"], one["type"], one["kind"], one["state"], instances, _models(one["models"]))
    return *what, *counts, one["description"]


def _models(names: list[str]) -> str:
    """The first, and how many more there are: `gpt-4 +2`."""
    return f"{names[0]} +{len(names) - 1}" if len(names) > 1 else "".join(names)


def _fitting(rows: list[tuple[object, ...]]) -> tuple[Sequence[str], list[list[object]]]:
    """The columns that there is room for, and the rows with them alone."""
    kept = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]
    for column in LEAST_FIRST:
        widths = (max(len(COLUMNS[i]), *(len(flat(row[i])) for row in rows)) + 2 for i in kept[:-1])
        if sum(widths) + DESCRIBED <= terminal_width():
            break
        kept = [i for i in kept if COLUMNS[i] != column]
    return [COLUMNS[i] for i in kept], [[row[i] for i in kept] for row in rows]


def health(context: typer.Context, names: Asked = None) -> int:
    """Ask providers how they are, now.

    Ends with 0 when all that were asked are healthy, else with 5.

    \b
    Example:
      gleitzeitctl providers health calculator
    """
    session = Session.of(context)
    if names and len(names) == 1 and names[0] != "all" and PATTERN.isdisjoint(names[0]):
        answer = session.client.get(provider(names[0], "health"), patience=None)
        session.show(answer, lambda answer: _tell([answer]))
        return 0 if is_well(answer) else UNHEALTHY
    every = list(_every(session.client, names or []))
    session.show({"providers": every}, lambda answer: _tell(answer["providers"]))
    return 0 if all(map(is_well, every)) else UNHEALTHY


def _every(client: Client, names: list[str]) -> Iterator[dict[str, Any]]:
    """The health of each that is meant, in the order of the list, an instance by its own name."""
    for one in _providers(client, names):
        own = [name for name in names if name.startswith(f"{one['name']}#") and PATTERN.isdisjoint(name)]
        for name in [one["name"]] if one["name"] in names or not own else own:
            yield _ask(client, name, one)


def _ask(client: Client, name: str, one: dict[str, Any]) -> dict[str, Any]:
    """The health of one of many: that it can't be asked is said of it alone."""
    try:
        answer: dict[str, Any] = client.get(provider(name, "health"), patience=None)
        return answer
    except CallError as exc:
        known = {"name": name, "state": one["state"], "latency": None}
        if one["kind"] == "command" and one["state"] == "RUNNING":
            return known | {"healthy": None, "health": None}
        return known | {"healthy": False, "health": {"error": exc.message}}


def is_well(answer: dict[str, Any]) -> bool:
    """A command without a check has no health of its own: to run is all it can do."""
    return bool(answer["healthy"] or (answer["healthy"] is None and answer["state"] == "RUNNING"))


def _tell(answers: Iterable[dict[str, Any]]) -> None:
    told = [one for answer in answers for one in _each(answer)]
    table(("NAME", "STATE", "HEALTH", "LATENCY", "DETAILS"), [_health_row(one) for one in told])


def _each(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Of several instances each has its own word."""
    instances: list[dict[str, Any]] = answer.get("instances", [])
    return instances if len(instances) > 1 else [answer]


def _health_row(answer: dict[str, Any]) -> tuple[object, ...]:
    word = {True: "healthy", False: "unhealthy", None: ""}[answer["healthy"]]
    said = (answer["health"] or {}).items()
    details = (f"{key}={_plain(value)}" for key, value in said if key != "healthy")
    latency = answer.get("latency")
    asked = "" if latency is None else f"{1000 * latency:.0f} ms"
    return answer["name"], answer["state"], word, asked, " ".join(details)


def _plain(value: Any) -> str:
    return flat(value if isinstance(value, str) else as_json(value))

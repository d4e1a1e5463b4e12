"""`route`: where a call would go now, and why."""

from typing import Annotated, Any

import typer

from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import note, table
from gleitzeitctl.session import Session

COLUMNS = ("RANK", "INSTANCE", "MODEL", "PRIORITY", "CALLS", "LATENCY", "STATE", "REASON")
HOW = {
    "provider": "is a provider",
    "instance": "is an instance",
    "model": "is a model",
    "alias": "is another name of a model",
    "capability": "is a capability",
    "undecided": "may be offered by who has not said yet what it offers",
}

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="A provider, an instance, a model or a capability.")
]
Provider = Annotated[bool, typer.Option("--provider", help="NAME is a provider or an instance.")]
Model = Annotated[bool, typer.Option("--model", help="NAME is a model.")]
Capability = Annotated[bool, typer.Option("--capability", help="NAME is a capability.")]
Belongs = Annotated[
    str | None, typer.Option("--session", metavar="ID", help="The session that the call would belong to.")
]


def route(
    context: typer.Context,
    name: Name,
    provider: Provider = False,
    model: Model = False,
    capability: Capability = False,
    belongs: Belongs = None,
) -> int:
    """Show who would be given a call now, in order, and why.

    Ends with 0 when one of them could take it at once, else with 1.

    \b
    Example:
      gleitzeitctl route gpt-4
    """
    kinds = {"provider": provider, "model": model, "capability": capability}
    chosen = [kind for kind, is_chosen in kinds.items() if is_chosen] or ["target"]
    if len(chosen) > 1:
        raise misuse("NAME is one thing: give one of --provider, --model and --capability")
    session = Session.of(context)
    query = [(chosen[0], name), *([("session", belongs)] if belongs else [])]
    answer = session.client.get("/v1/route", query)
    session.show(answer, lambda answer: _tell(name, answer))
    return 0 if any(one["taken"] for one in answer["candidates"]) else 1


def _tell(name: str, answer: dict[str, Any]) -> None:
    waiting = answer["waiting"]
    queue = f"; {waiting} {'call waits' if waiting == 1 else 'calls wait'}" if waiting else ""
    note(f'"{name}" {_how(answer)}; strategy {answer["strategy"]}{queue}')
    # one priority for all says nothing about their order
    is_ranked = len({one["priority"] for one in answer["candidates"]}) > 1
    table(COLUMNS, [_row(one, is_ranked) for one in answer["candidates"]])
    if not answer["candidates"]:
        note("nobody is there to take a call")


def _how(answer: dict[str, Any]) -> str:
    if answer["how"] == "wildcard":
        return f'is a model by the pattern "{answer["pattern"]}"'
    return HOW[answer["how"]]


def _row(one: dict[str, Any], is_ranked: bool) -> tuple[object, ...]:
    latency = one["latency"]
    return (
        one["rank"],
        one["instance"],
        one["model"],
        one["priority"] if is_ranked else None,
        f"{one['calls']}/{one['slots']}",
        f"{latency * 1000:.0f} ms" if latency else "",
        one["state"],
        one["reason"],
    )

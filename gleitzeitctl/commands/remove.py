"""`remove`: take away what `run` and `add` brought."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.client import Client
from gleitzeitctl.commands.steer import status_of
from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import flat, note
from gleitzeitctl.saved import take_out
from gleitzeitctl.session import Session

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Providers that run or add made.")]
Result = dict[str, Any]


def remove(context: typer.Context, names: Names) -> int:
    """Stop providers that `run` or `add` made, and take them away.

    What was saved is taken out of providers.d; what stands in the config file is left to you.

    \b
    Example:
      gleitzeitctl remove sleeper
    """
    if "" in names:
        raise misuse("a provider's name is missing")
    session = Session.of(context)
    results = [_removed(session.client, name) for name in dict.fromkeys(names)]
    session.show({"results": results}, _in_words)
    return status_of(results)


def _removed(client: Client, name: str) -> Result:
    try:
        return {"name": name, "ok": True, "gone": _taken_away(client, name), "reason": ""}
    except CallError as exc:
        return {"name": name, "ok": False, "gone": False, "reason": exc.message, "code": exc.code}


def _taken_away(client: Client, name: str) -> bool:
    """Whether it is gone already."""
    try:
        answer = client.delete(f"/v1/transient/{quote(name, safe='', errors='surrogateescape')}", None)
    except CallError as exc:
        if exc.code not in ("conflict", "not_found.provider"):
            raise
        take_out(client, name, exc)
        return True
    return bool(answer["gone"])


def _in_words(answer: dict[str, Any]) -> None:
    for result in answer["results"]:
        if result["ok"]:
            print(f"{flat(result['name'])}: {'removed' if result['gone'] else 'removed, and still ending'}")
        else:
            note(f"gleitzeitctl: {result['reason']}")

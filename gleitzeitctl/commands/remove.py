"""`remove`: take away what `run` and `add` brought."""

import os
from typing import Annotated, Any
from urllib.parse import quote

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.blocks import MARK
from gleitzeitctl.client import Client
from gleitzeitctl.session import Session

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Providers that run or add made.")]


def remove(context: typer.Context, names: Names) -> None:
    """Stop providers that `run` or `add` made, and take them away.

    What was saved is taken out of providers.d; what stands in the config file is left to you.

    \b
    Example:
      gleitzeitctl remove sleeper
    """
    session = Session.of(context)
    for name in dict.fromkeys(names):
        answer = _removed(session.client, name)
        session.show(answer, lambda answer: print(f"{answer['name']}: {_how(answer)}"))


def _removed(client: Client, name: str) -> Any:
    try:
        return client.delete(f"/v1/transient/{quote(name, safe='')}", None)
    except CallError as exc:
        file = exc.detail.get("file", "")
        if exc.code != "conflict" or not _is_ours(file, name):
            raise
    os.unlink(file)
    client.post("/v1/reload", {"wait": True}, None)
    return {"name": name, "gone": True}


def _is_ours(file: str, name: str) -> bool:
    """Whether `--save` has made it."""
    if os.path.basename(os.path.dirname(file)) != "providers.d":
        return False
    with open(file, encoding="utf-8") as text:
        return text.readline().rstrip("\n") in [MARK.format(verb, name) for verb in ("run", "add")]


def _how(answer: dict[str, Any]) -> str:
    return "removed" if answer["gone"] else "removed, and still ending"

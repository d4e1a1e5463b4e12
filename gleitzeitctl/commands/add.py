"""`add`: have a server of models or of tools kept alive and called, without a file."""

from typing import Annotated

import typer

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.blocks import (
    Block,
    environment,
    is_url,
    of_mcp_command,
    of_mcp_site,
    of_model_server,
    own,
)
from gleitzeitctl.client import Client, provider
from gleitzeitctl.commands.run import Env, Save
from gleitzeitctl.commands.steer import Timeout, Wait
from gleitzeitctl.complaint import misuse
from gleitzeitctl.render import flat, note
from gleitzeitctl.session import Session
from gleitzeitctl.taking_in import take_in

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")]
Target = Annotated[
    list[str], typer.Argument(metavar="URL or -- CMD...", help="Where it is, or what runs an MCP server.")
]
Mcp = Annotated[bool, typer.Option("--mcp", help="It speaks the Model Context Protocol, not OpenAI's API.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="The model of calls that name none.")
]
Key = Annotated[
    str | None,
    typer.Option("--api-key-env", metavar="VARIABLE", help="The variable that has its key or token."),
]

HEALTH_WITHIN = 20.0
"""Seconds that a server may take to say that it is there."""


def add(
    context: typer.Context,
    name: Name,
    target: Target,
    mcp: Mcp = False,
    model: Model = None,
    api_key_env: Key = None,
    env: Env = None,
    save: Save = False,
    wait: Wait = True,
    timeout: Timeout = 60,
) -> int:
    """Add an OpenAI-compatible server by its URL, or an MCP server by its URL or its command.

    It survives reloads, and goes with the daemon; --save keeps it. What is saved has ${VARIABLE} for a key
    and for --env without a value: the daemon's own.

    \b
    Example:
      gleitzeitctl add local http://localhost:8000/v1 --model llama3
      gleitzeitctl add time --mcp -- uvx mcp-server-time
    """
    is_site = _is_site(target)
    if env and (is_site or not mcp):
        raise misuse("--env is for an MCP server that is run here; what has a URL has --api-key-env")
    if mcp and model:
        raise misuse("--model is for servers with OpenAI's API, not for --mcp")
    if api_key_env and not is_site:
        raise misuse("--api-key-env is for what has a URL; for an MCP server that is run here there is --env")
    key = None if api_key_env is None else own(api_key_env, save)
    block = _block(target, mcp, model, key, environment(env or (), save))
    session = Session.of(context)
    status = take_in(session, "add", [name], block, save, wait, timeout)
    if wait and status == 0 and not session.json:
        _tell_of_health(session.client, name)
    return status


def _tell_of_health(client: Client, name: str) -> None:
    """What is up may be nothing but the way to a server that nobody reaches."""
    try:
        health = client.get(provider(name, "health"), patience=HEALTH_WITHIN)["health"] or {}
        reason = health.get("reason")
    except CallError as exc:
        reason = exc.message
    if reason:
        note(f"{name} is up, but {flat(reason)}")


def _block(
    target: list[str], is_mcp: bool, model: str | None, key: str | None, variables: dict[str, str]
) -> Block:
    is_site = _is_site(target)
    if is_mcp:
        return of_mcp_site(target[0], key) if is_site else of_mcp_command(target, variables)
    if is_site:
        return of_model_server(target[0], model, key)
    way_out = 'a URL such as http://localhost:8000/v1, or --mcp; for any other program there is "run"'
    raise misuse(f"{' '.join(target):.60} is no URL: give {way_out}")


def _is_site(target: list[str]) -> bool:
    return len(target) == 1 and is_url(target[0])

"""`add`: have a server of models or of tools kept alive and called, without a file."""

from typing import Annotated

import typer

from gleitzeitctl.blocks import is_url, literal, of_mcp, of_model_server, own
from gleitzeitctl.commands.run import Save
from gleitzeitctl.commands.steer import Timeout, Wait
from gleitzeitctl.complaint import misuse
from gleitzeitctl.session import Session
from gleitzeitctl.taking_in import take_in

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")]
Target = Annotated[
    list[str], typer.Argument(metavar="URL | -- CMD...", help="Where it is, or what runs an MCP server.")
]
Mcp = Annotated[bool, typer.Option("--mcp", help="It speaks the Model Context Protocol, not OpenAI's API.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="The model of calls that name none.")
]
Key = Annotated[
    str | None, typer.Option("--api-key-env", metavar="VARIABLE", help="The variable that has its key.")
]


def add(
    context: typer.Context,
    name: Name,
    target: Target,
    mcp: Mcp = False,
    model: Model = None,
    api_key_env: Key = None,
    save: Save = False,
    wait: Wait = True,
    timeout: Timeout = 60,
) -> int:
    """Add an OpenAI-compatible server by its URL, or an MCP server by its URL or its command.

    It survives reloads, and goes with the daemon; --save keeps it. A key that is saved is `${VARIABLE}` in
    the file, and has to be a variable of the daemon's.

    \b
    Example:
      gleitzeitctl add local http://localhost:8000/v1 --model llama3
      gleitzeitctl add files --mcp -- npx -y @modelcontextprotocol/server-filesystem /srv
    """
    if mcp:
        if model or api_key_env:
            raise misuse("--model and --api-key-env are for servers with OpenAI's API, not for --mcp")
        block = of_mcp(target)
    elif len(target) == 1 and is_url(target[0]):
        value = None if api_key_env is None else literal(own(api_key_env))
        key = f"${{{api_key_env}}}" if save and api_key_env else value
        block = of_model_server(target[0], model, key)
    else:
        way_out = 'a URL such as http://localhost:8000/v1, or --mcp; for any other program there is "run"'
        raise misuse(f"{' '.join(target):.60} is no URL: give {way_out}")
    return take_in(Session.of(context), "add", name, block, save, wait, timeout)

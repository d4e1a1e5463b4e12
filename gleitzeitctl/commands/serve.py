"""`serve`: be the daemon, in the foreground. The only command that imports it."""

from typing import Annotated

import typer

from gleitzeitctl.session import Session

Config = Annotated[
    str | None,
    typer.Option(
        "--provider-config",
        metavar="FILE",
        help="The providers' YAML file [default: where it is looked for].",
    ),
]


def serve(context: typer.Context, provider_config: Config = None) -> int:
    """Run the daemon in the foreground; Ctrl-C stops all.

    What the providers print appears with their names before it.

    \b
    Example:
      gleitzeit serve --provider-config config/providers.yaml
    """
    from gleitzeitd.main import serve as be_the_daemon

    return be_the_daemon(provider_config, Session.of(context).socket, foreground=True)

"""`run`: have a command kept alive, without a file."""

from typing import Annotated

import typer

from gleitzeitctl.blocks import environment, names_of, of_command
from gleitzeitctl.commands.steer import Timeout, Wait
from gleitzeitctl.complaint import misuse
from gleitzeitctl.session import Session
from gleitzeitctl.taking_in import take_in

Program = Annotated[list[str], typer.Argument(metavar="-- CMD...", help="The program and its arguments.")]
Name = Annotated[
    str | None,
    typer.Option(
        "--name", metavar="NAME", help="Its name [default: the program's, such as sleep or sleep-2]."
    ),
]
Env = Annotated[
    list[str] | None,
    typer.Option("--env", metavar="KEY[=VALUE]", help="A variable for it; without =VALUE as it is here."),
]
Directory = Annotated[
    str | None, typer.Option("--directory", metavar="DIR", help="Where it runs [default: here].")
]
Restart = Annotated[
    str | None, typer.Option("--restart", metavar="POLICY", help="always (default), on-failure or never.")
]
Save = Annotated[bool, typer.Option("--save", help="Keep it in providers.d, beside the config file.")]


def run(
    context: typer.Context,
    command: Program,
    name: Name = None,
    env: Env = None,
    directory: Directory = None,
    restart: Restart = None,
    save: Save = False,
    wait: Wait = True,
    timeout: Timeout = 60,
) -> int:
    """Have a command kept alive, without a line in the config file.

    It survives reloads, and goes with the daemon; --save keeps it. What is saved has ${KEY} for a variable
    without a value: the daemon's own.

    \b
    Example:
      gleitzeitctl run --name sleeper -- sleep 1000
    """
    if restart not in (None, "always", "on-failure", "never"):
        raise misuse(f"--restart takes always, on-failure or never, not {restart}")
    block = of_command(command, directory, environment(env or (), save), restart)
    names = names_of(command[0]) if name is None else [name]
    return take_in(Session.of(context), "run", names, block, save, wait, timeout)


run.runs_a_program = True  # type: ignore[attr-defined]

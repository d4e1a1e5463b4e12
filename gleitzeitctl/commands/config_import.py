"""`config import`: a supervisord.conf as a config file of ours."""

from typing import Annotated

import typer

from gleitzeitctl.commands.config import NEW, Force, Target, write_new
from gleitzeitctl.commands.config_file import hint
from gleitzeitctl.session import Session

Source = Annotated[str, typer.Argument(metavar="FILE", help="A configuration of supervisord.")]


def take_over(
    context: typer.Context, source: Source, config_file: Target = NEW, force: Force = False
) -> None:
    """Write a config file with the programs of a supervisord.conf.

    What has no counterpart is told, and stands as a comment in the file.

    \b
    Example:
      gleitzeit config import /etc/supervisor/supervisord.conf --config-file -
    """
    from gleitzeitctl.supervisord import as_yaml, read

    session = Session.of(context)
    taken = read(source)
    text = as_yaml(taken, source)
    answer = {"file": config_file, "providers": taken.providers, "remarks": taken.remarks, "text": text}
    if config_file == "-":
        session.show({**answer, "file": None}, lambda _: print(text, end=""))
        return
    write_new(config_file, text.encode(), force)
    for remark in taken.remarks:
        hint(session, remark)
    count = f"{len(taken.providers)} provider" + ("" if len(taken.providers) == 1 else "s")
    next = f'see "gleitzeit config validate --config-file {config_file}"'
    session.show(answer, lambda _: print(f"created {config_file} with {count}: {next}"))

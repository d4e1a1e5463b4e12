"""`setup`: the daemon as a service of systemd, put in place and taken away."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gleitzeitctl.render import note
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from gleitzeitctl.setup.steps import Step

Dry = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
KEPT = "config, logs and state are kept"


def system(context: typer.Context, dry_run: Dry = False) -> None:
    """Make the daemon a service of this machine: its user, its unit and a config to begin with.

    What is there and right is left alone, so it may be run again, as after an upgrade.

    \b
    Example:
      gleitzeitctl setup system --dry-run
    """
    from gleitzeitctl.setup.plans import CONFIG, system

    next = f'edit {CONFIG}, then "systemctl enable --now gleitzeitd"'
    _carry_out(context, system(_config()), dry_run, next)


def user(context: typer.Context, dry_run: Dry = False) -> None:
    """Make the daemon a service of your own, which runs while you are logged in.

    \b
    Example:
      gleitzeitctl setup user --dry-run
    """
    from gleitzeitctl.setup.plans import own_config, user

    next = f'edit {own_config()}, then "systemctl --user enable --now gleitzeitd"'
    _carry_out(context, user(_config()), dry_run, next)


def remove(context: typer.Context, dry_run: Dry = False) -> None:
    """Stop the service and take it away; config, logs and state are kept.

    As root it is that of the system, else your own.

    \b
    Example:
      gleitzeitctl setup remove --dry-run
    """
    from gleitzeitctl.setup.plans import removal

    _carry_out(context, removal(), dry_run, KEPT)


def _config() -> str:
    from gleitzeitd.config.json_schema import SHIPPED
    from gleitzeitd.config.template import template

    return template(SHIPPED.as_uri())


def _carry_out(context: typer.Context, steps: "Sequence[Step]", dry: bool, next: str) -> None:
    session, said = Session.of(context), list[str]()
    for step in steps:
        step.pending(False)  # what cannot be done is told before anything is
    for step in steps:
        what = step.pending(bool(said))
        if not what:
            continue
        if not dry:
            step.act()
        said.append(what)
        if not session.json:
            print(f"would {what}" if dry else what, flush=True)
    session.show({"steps": said, "done": not dry}, lambda answer: _in_words(answer, next))


def _in_words(answer: dict[str, Any], next: str) -> None:
    if not answer["steps"]:
        note("nothing to do: it is so already")
    elif answer["done"]:
        note(next)

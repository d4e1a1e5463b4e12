"""`providers models` and `providers capabilities`: what can be called by a name that is not a provider's."""

from typing import Any

import typer

from gleitzeitctl.render import note, table
from gleitzeitctl.session import Session


def models(context: typer.Context) -> None:
    """List the models that can be called, and who has them.

    \b
    Example:
      gleitzeitctl providers models
    """
    session = Session.of(context)
    answer = {"models": session.client.get("/v1/models")["models"]}
    session.show(answer, _tell_models)


def capabilities(context: typer.Context) -> None:
    """List the capabilities that can be called, and who has them.

    \b
    Example:
      gleitzeitctl providers capabilities
    """
    session = Session.of(context)
    answer = {"capabilities": session.client.get("/v1/models")["capabilities"]}
    session.show(answer, _tell_capabilities)


def _tell_models(answer: dict[str, Any]) -> None:
    rows = [(one["name"], " ".join(one["providers"]), " ".join(one["aliases"])) for one in answer["models"]]
    table(("MODEL", "PROVIDERS", "ALIASES"), rows)
    if not rows:
        note("no provider has said that it has a model")


def _tell_capabilities(answer: dict[str, Any]) -> None:
    rows = [(one["name"], " ".join(one["providers"])) for one in answer["capabilities"]]
    table(("CAPABILITY", "PROVIDERS"), rows)
    if not rows:
        note("no provider has said that it has a capability")

"""Hands a new provider to the daemon, for as long as it runs or for good, and waits until it is up."""

from __future__ import annotations

import json
import os
from typing import Any

from gleitzeitctl.blocks import MARK, Block
from gleitzeitctl.client import Client
from gleitzeitctl.commands.steer import steer
from gleitzeitctl.complaint import Complaint, misuse
from gleitzeitctl.render import note
from gleitzeitctl.session import Session

READING = 60.0
"""Seconds that a daemon has to read its config twice."""


def take_in(
    session: Session, verb: str, name: str, block: Block, save: bool, wait: bool, timeout: float
) -> int:
    """The exit status. Raises CallError and Complaint for what is refused: then nothing is left of it."""
    if save:
        _save(session.client, verb, name, block)
    else:
        session.client.post("/v1/run", {"name": name, "block": block}, READING)
    status = steer("start", session, [name], wait, timeout)
    if not session.json:
        note(f'"gleitzeitctl logs {name}" shows what it prints, "gleitzeitctl remove {name}" takes it away')
    return status


def _save(client: Client, verb: str, name: str, block: Block) -> None:
    """Write it beside the daemon's config, and have it taken over."""
    from gleitzeitd.config.rewrite import replace
    from gleitzeitd.core.errors import GleitzeitError

    config = client.get("/v1/status", [("name", "all")])["daemon"]["config"]
    known = {one["name"] for one in client.get("/v1/providers")["providers"]}
    path = os.path.join(os.path.dirname(config), "providers.d", f"{name}.yaml")
    if name in known or os.path.lexists(path) or os.path.basename(name) != name:
        raise misuse(
            f'"{name}" cannot be the name of a new provider: there is one, or it is no name of a file'
        )
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        replace(path, None, _text(verb, name, block).encode(), like=config)
    except GleitzeitError as exc:
        raise Complaint(str(exc), 1, "internal") from exc
    tried: dict[str, Any] = client.post("/v1/reload", {"dry_run": True}, READING)
    if problems := [one for one in tried["problems"] if one.startswith(f"{path}:")]:
        os.unlink(path)
        raise misuse("\n".join(problems))
    client.post("/v1/reload", {"wait": False}, READING)
    note(f"it stands in {path}")


def _text(verb: str, name: str, block: Block) -> str:
    lines = [MARK.format(verb, name), "providers:", f"  {json.dumps(name)}:"]
    return "\n".join([*lines, *(f"    {key}: {json.dumps(value)}" for key, value in block.items())]) + "\n"

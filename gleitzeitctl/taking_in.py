"""Hands a new provider to the daemon, for as long as it runs or for good, and waits until it is up."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.blocks import Block
from gleitzeitctl.commands.steer import steer
from gleitzeitctl.complaint import seconds
from gleitzeitctl.render import note
from gleitzeitctl.saved import READING, save
from gleitzeitctl.session import Session


def take_in(
    session: Session,
    verb: str,
    names: Iterable[str],
    block: Block,
    is_saved: bool,
    wait: bool,
    timeout: float,
) -> int:
    """The exit status; it has the first of these names that is free.

    Raises CallError and Complaint for what is refused: then nothing is left of it.
    """
    seconds(timeout, least=0)
    client = session.client

    def take(name: str) -> None:
        if is_saved:
            note(f"it stands in {save(client, verb, name, block)}")
        else:
            client.post("/v1/run", {"name": name, "block": block}, READING)

    name = _first_free(names, take)
    status = steer("start", session, [name], wait, timeout)
    if not session.json:
        note(f'"gleitzeitctl logs {name}" shows what it prints, "gleitzeitctl remove {name}" takes it away')
    return status


def _first_free(names: Iterable[str], take: Callable[[str], None]) -> str:
    taken = CallError("conflict", "there is no name for it")
    for name in names:
        try:
            take(name)
        except CallError as exc:
            if exc.code != "conflict":
                raise
            taken = exc
        else:
            return name
    raise taken

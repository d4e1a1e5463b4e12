"""The versions of the config that the daemon has kept: it tells them, and what it left is read without it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions.places import state_directory
from gleitzeitctl.commands.config_file import hint, in_words
from gleitzeitctl.complaint import UNREACHABLE, Complaint, misuse
from gleitzeitctl.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gleitzeitd.config.difference import State

HISTORY = "/v1/config/history"


@dataclass(frozen=True)
class Kept:
    """What the daemon has kept: its list as the API tells it, and the files of one version."""

    answer: dict[str, Any]
    files: "Callable[[int], Mapping[str, str]]"
    is_running: bool

    @property
    def config(self) -> str:
        return str(self.answer["config"])

    @property
    def numbers(self) -> list[int]:
        return [one["number"] for one in self.answer["versions"]]

    def version(self, number: int) -> "State":
        """Raises Complaint when there is no such version."""
        from gleitzeitd.config.difference import State

        if number not in self.numbers:
            numbers = ", ".join(map(str, self.numbers))
            there_are = f"there are {numbers}" if numbers else "there is none yet"
            raise misuse(f"there is no version {number} of {self.config} ({there_are})")
        return State(f"version {number}", self.files(number))


def kept(session: Session, given: str | None) -> Kept:
    """What the daemon tells; when it is not running, what it left."""
    try:
        known = session.client.get(HISTORY)
    except Complaint as exc:
        if exc.exit != UNREACHABLE:
            raise
        return _left(session, given)
    if given is not None and os.path.abspath(given) != known["config"]:
        raise misuse(f"this daemon runs on {known['config']}, not on {given}")
    return Kept(known, lambda number: session.client.get(f"{HISTORY}/{number}")["files"], True)


def _left(session: Session, given: str | None) -> Kept:
    from gleitzeitd.config.history import History
    from gleitzeitd.config.load import find

    with in_words():
        config = os.path.abspath(find(given, "--config-file"))
    directory = Path(state_directory(), "history")
    hint(session, f"the daemon is not running: this is what it left about {config} in {directory}")
    left = History(directory, config)
    keys = ("number", "time", "summary")
    versions = [{key: getattr(one, key) for key in keys} | {"current": False} for one in left.versions()]

    def files(number: int) -> "Mapping[str, str]":
        if not (version := left.get(number)):
            raise misuse(f"version {number} of {config} is no longer there")
        return version.files

    return Kept({"config": config, "versions": versions, "but_for": []}, files, False)

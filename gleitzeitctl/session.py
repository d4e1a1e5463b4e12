"""What was said for any command: which daemon to ask, and whether to answer in JSON or in words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions.places import control_socket
from gleitzeitctl.client import Client
from gleitzeitctl.render import as_json

if TYPE_CHECKING:
    from typer import Context


class Session:
    """One run of the command line."""

    def __init__(self) -> None:
        self.socket: str | None = None
        self.json = False

    @classmethod
    def of(cls, context: Context) -> Session:
        return context.ensure_object(cls)

    @property
    def client(self) -> Client:
        return Client(control_socket(self.socket))

    def show(self, answer: Any, in_words: Callable[[Any], None]) -> None:
        """Print the API's answer: as it is with `--json`, else as `in_words` tells it."""
        if self.json:
            print(as_json(answer))
        else:
            in_words(answer)

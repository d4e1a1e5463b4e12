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
        self._client: Client | None = None

    @classmethod
    def of(cls, context: Context) -> Session:
        return context.ensure_object(cls)

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = Client(control_socket(self.socket))
        return self._client

    @property
    def server(self) -> str:
        """What the daemon said that it is, such as `gleitzeitd/0.1.0`; empty as long as it was not asked."""
        return self._client.server if self._client else ""

    def show(self, answer: Any, in_words: Callable[[Any], None]) -> None:
        """Print the API's answer: as it is with `--json`, else as `in_words` tells it."""
        if self.json:
            print(as_json(answer))
        else:
            in_words(answer)

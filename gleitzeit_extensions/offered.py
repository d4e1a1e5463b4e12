"""Methods that no class declares: a provider learns of them as it runs, such as an MCP server's tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gleitzeit_extensions.methods import Method
from gleitzeit_extensions.protocol import Wire


@dataclass(frozen=True, kw_only=True)
class Offered(Method):
    """A method whose schema somebody else wrote, and who also checks the arguments.

    It is called with the arguments as one object, so that they may have any name: `call` gives the answer,
    and `follow` gives it as the last item of a stream, after what is told on the way.
    """

    call: Callable[[dict[str, Any]], Awaitable[Any]]
    follow: Callable[[dict[str, Any]], AsyncIterator[Any]]
    parameters: Wire
    returns: Wire | None = None
    takes: None = None
    streams: bool = False
    attribute: str = ""

    @cached_property
    def entry(self) -> Wire:
        entry: Wire = {"name": self.name, "description": self.description, "parameters": self.parameters}
        if self.returns is not None:
            entry["returns"] = self.returns
        return entry | {"stream": False, "idempotent": self.idempotent}

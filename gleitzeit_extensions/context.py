"""What the daemon tells the one provider that it started in this process.

The host sets `LAUNCH` before it makes the provider; the base class fills what the author's class left
open from it. A provider that somebody runs by hand has no launch context.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Launch:
    """Who this provider is to the daemon, and how the daemon's hub is reached."""

    name: str
    instance: str
    server_url: str
    type: str = "unknown"
    description: str = ""
    hub_socket: str | None = None
    token: str | None = field(default=None, repr=False)
    auto_discover_models: bool = False
    parent: int | None = None
    """The daemon's pid: when it is no longer our parent, the daemon is gone."""


LAUNCH: ContextVar[Launch | None] = ContextVar("gleitzeit_launch", default=None)

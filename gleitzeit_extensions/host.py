"""Runs one provider as this process: `python -P -m gleitzeit_extensions.host`, with one JSON line on stdin.

Ends with 0 when it was stopped, 78 when only a human can mend it, 1 otherwise. Nothing secret is in the
arguments or the environment: the line carries it, and stdin is empty from then on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import Any

from gleitzeit_extensions import output
from gleitzeit_extensions.authors import Misconfigured
from gleitzeit_extensions.building import CannotMake, build
from gleitzeit_extensions.context import Launch
from gleitzeit_extensions.loading import load, use_path
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

CONFIGURATION = 78
"""sysexits.h EX_CONFIG: not to be tried again before somebody changed something."""

USAGE = (
    "this is how gleitzeitd starts a provider: it wants a JSON line on stdin; run your file itself instead"
)


@dataclass(frozen=True)
class Wanted:
    """An extension, and the directories in which it is looked for."""

    name: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """The line on stdin: `dotted` names a class where no extension is wanted."""

    launch: Launch
    dotted: str
    extension: Wanted | None
    config: dict[str, Any]
    python_path: list[str]

    @classmethod
    def read(cls, line: bytes) -> Order:
        try:
            told = json.loads(line)
            launch = Launch(
                name=told["name"],
                instance=told["instance"],
                server_url=told["server_url"],
                type=told.get("type") or "unknown",
                description=told.get("description") or "",
                hub_socket=told.get("hub_socket"),
                token=told.get("token"),
                auto_discover_models=bool(told.get("auto_discover_models")),
                parent=os.getppid(),
            )
            extension = told.get("extension")
            wanted = Wanted(extension["name"], tuple(extension["paths"])) if extension else None
            dotted = "" if wanted else told["class"]
            return cls(launch, dotted, wanted, told.get("config") or {}, told.get("python_path") or [])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            # never the line itself: it carries the token
            raise Misconfigured(f"the launch line cannot be read: {type(exc).__name__}: {exc}") from exc


def main() -> int:
    parent = os.getppid()
    signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which children of the provider would inherit
    if sys.stdin.isatty():
        print(USAGE, file=sys.stderr)
        return 2
    line = sys.stdin.buffer.readline()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if not line:
        print(f"the daemon (pid {parent}) ended before it said what to run", file=sys.stderr)
        return 1
    output.set_up_hosted()
    try:
        order = Order.read(line)
        asyncio.run(_run(order))
    except Misconfigured as exc:
        return _failed(exc, CONFIGURATION)
    except CannotMake as exc:
        return _failed(exc, 1)
    return 0


async def _run(order: Order) -> None:
    # in the loop, since a constructor may want to open a session on it
    use_path(order.python_path)
    provider = _provider(order)
    from gleitzeit_extensions.connection import Refused
    from gleitzeit_extensions.exceptions import ExtensionServiceError
    from gleitzeit_extensions.link import Orphaned

    try:
        await provider.run()
    except Refused as exc:
        raise Misconfigured(str(exc)) from exc
    except (Orphaned, ExtensionServiceError) as exc:
        raise CannotMake(str(exc)) from exc


def _provider(order: Order) -> SocketIOProviderClient:
    if order.extension is None:
        cls = load(order.dotted, order.python_path)
        return build(cls, order.config, order.launch, order.python_path)
    from gleitzeit_extensions.extensions import hosting

    wanted = order.extension
    return hosting.make(wanted.name, wanted.paths, order.config, order.launch)


def _failed(error: Exception, status: int) -> int:
    """One sentence; all of it only for somebody who asked for it."""
    if output.wants_tracebacks() and error.__cause__:
        traceback.print_exception(error.__cause__)
    print(error, file=sys.stderr, flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())

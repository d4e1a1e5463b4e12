"""What a provider's process logs: `LEVEL name: message` on stderr, unless its author decides otherwise."""

from __future__ import annotations

import io
import logging
import os
import sys

FORMAT = "%(levelname)s %(name)s: %(message)s"


def set_up_alone() -> None:
    """For a provider that somebody runs by hand; does nothing where logging is configured already."""
    logging.basicConfig(level=_level(), format=FORMAT, stream=sys.stderr)


def set_up_hosted() -> None:
    """For a provider that the daemon started.

    Not by a handler on the root logger: an author's own `logging.basicConfig()` would then do nothing.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, write_through=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.lastResort = handler
    logging.getLogger().setLevel(_level())


def wants_tracebacks() -> bool:
    return _level() <= logging.DEBUG


def _level() -> int:
    given = os.environ.get("LOG_LEVEL", "").strip().upper() or "INFO"
    if given.isdecimal():
        return int(given)
    return logging.getLevelNamesMapping().get(given, logging.INFO)

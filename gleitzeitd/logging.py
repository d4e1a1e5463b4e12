"""The daemon's own log: one event, one line, on stderr; for programs as logfmt, for people as sentences."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

if "rich" not in sys.modules:
    # structlog takes rich along where it is installed: 75 ms and 5 MB for a renderer that is not used here.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    del sys.modules["rich"]
else:
    import structlog

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


def configure(*, for_people: bool) -> None:
    """`LOG_LEVEL` names the least level that is shown; INFO otherwise."""
    level = LEVELS.get(os.environ.get("LOG_LEVEL", "INFO").upper(), LEVELS["INFO"])
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if for_people else "iso", utc=not for_people)
    logging.basicConfig(level=logging.WARNING, handlers=[_Foreign()], force=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.format_exc_info,
            _sentence
            if for_people
            else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=True,
    )


class _Foreign(logging.Handler):
    """What libraries log, as one line of ours; what a peer sent wrong is not worth one."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__.startswith("aiohttp.http"):
            return
        told = {"error": f"{type(error).__name__}: {error}".split("\n")[0]} if error else {}
        log = structlog.get_logger("gleitzeitd")
        log.log(record.levelno, record.getMessage().split("\n")[0], logger=record.name, **told)


class _Stderr:
    """Prints; when nobody is left to read it, the daemon's work goes on all the same."""

    def msg(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)

    debug = info = warning = error = critical = exception = msg


def _sentence(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    """A line for someone who looks at a terminal."""
    time, level, what = event.pop("timestamp"), event.pop("level"), event.pop("event")
    trace = event.pop("exception", "")
    name = f"{event.pop('name')}: " if "name" in event else ""
    if what == "process changed":
        what = _life(event)
    elif what == "process ended":
        what = event.pop("how")
    rest = " ".join(f"{key}={value}" for key, value in event.items())
    mark = "" if level == "info" else f"{level}: "
    return " ".join(part for part in (f"{time} {mark}{name}{what}", rest) if part) + (
        f"\n{trace}" if trace else ""
    )


def _life(event: MutableMapping[str, Any]) -> str:
    now, _ = str(event.pop("now")).lower(), event.pop("was")
    pid, reason = event.pop("pid", None), event.pop("reason", None)
    place = f" (pid {pid})" if pid and now == "running" else ""
    return f"{now}{place}" + (f": {reason}" if reason and now != "starting" else "")

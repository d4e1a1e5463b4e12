"""The daemon's own log: one event, one line, on stderr; for programs as logfmt, for people as sentences."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, MutableMapping
from typing import Any

if "rich" not in sys.modules:
    # structlog takes rich along where it is installed: 75 ms and 5 MB for a renderer that is not used here.
    sys.modules["rich"] = None  # type: ignore[assignment]
    import structlog

    del sys.modules["rich"]
else:
    import structlog

MOST_LINES = 10_000
"""Lines that may wait for somebody to read them."""
LAST_MOMENT = 1.0
"""Seconds that the end of the daemon waits for its last lines to be read."""
STDERR = 2
PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>", "critical": "<2>"}
"""As sd-daemon(3) has them."""
LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}


def configure(*, for_people: bool) -> None:
    """`LOG_LEVEL` names the least level that is shown; INFO otherwise."""
    level = LEVELS.get(os.environ.get("LOG_LEVEL", "INFO").upper(), LEVELS["INFO"])
    stamp = structlog.processors.TimeStamper(fmt="%H:%M:%S" if for_people else "iso", utc=not for_people)
    for_journal = _is_journal()
    stderr = _Stderr(PRIORITIES["warning"] if for_journal else "")
    if for_journal:
        sys.excepthook = _crashed
    logging.basicConfig(level=logging.WARNING, handlers=[_Foreign()], force=True)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            stamp,
            structlog.processors.format_exc_info,
            _told(for_people, for_journal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: stderr,
        cache_logger_on_first_use=True,
    )


def last_words(text: str) -> None:
    """Print why the daemon ends, or does not begin; each line of it is an error in the journal."""
    mark = PRIORITIES["error"] if _is_journal() else ""
    print("\n".join(f"{mark}{line}" for line in text.splitlines()), file=sys.stderr)


def _crashed(_: object, error: BaseException, __: object) -> None:
    last_words("".join(traceback.format_exception(error)))


def _told(for_people: bool, for_journal: bool) -> Callable[[Any, str, MutableMapping[str, Any]], str]:
    """An event as a line: with its priority before it, where the journal reads that and keeps the time."""
    if for_people:
        return _sentence
    logfmt = structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    if not for_journal:
        return logfmt
    logfmt = structlog.processors.LogfmtRenderer(key_order=["event"])

    def prioritised(logger: Any, name: str, event: MutableMapping[str, Any]) -> str:
        event.pop("timestamp")
        return f"{PRIORITIES[event.pop('level')]}{logfmt(logger, name, event)}"

    return prioritised


def _is_journal() -> bool:
    """Whether stderr goes to the journal (systemd.exec(5): $JOURNAL_STREAM)."""
    seen = os.fstat(STDERR)
    return os.environ.get("JOURNAL_STREAM") == f"{seen.st_dev}:{seen.st_ino}"


class _Foreign(logging.Handler):
    """What libraries log, as one line of ours; what a peer sent wrong is not worth one."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        # what this logger has to say is which protocols a peer asked for on top of WebSocket
        if type(error).__module__.startswith("aiohttp.http") or record.name == "aiohttp.websocket":
            return
        told = {"error": f"{type(error).__name__}: {error}".split("\n")[0]} if error else {}
        log = structlog.get_logger("gleitzeitd")
        log.log(record.levelno, record.getMessage().split("\n")[0], logger=record.name, **told)


class _Stderr:
    """Prints from a thread of its own: a log that nobody reads must not hold the daemon.

    What is too much to wait is dropped and counted; when nobody is left to read, work goes on all the same.
    """

    def __init__(self, mark: str) -> None:
        """`mark`: what its own lines begin with."""
        self._mark = mark
        self._lines: queue.Queue[str] = queue.Queue(MOST_LINES)
        self._dropped = 0
        threading.Thread(target=self._print, name="log", daemon=True).start()
        atexit.register(self._finish)

    def msg(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    debug = info = warning = error = critical = exception = msg

    def _print(self) -> None:
        while True:
            line = self._lines.get()
            if dropped := self._dropped:
                self._dropped -= dropped
                line = f"{self._mark}({dropped} lines of this log are missing here: nobody read it)\n{line}"
            with contextlib.suppress(OSError):
                _write(f"{line}\n".encode("utf-8", "backslashreplace"))
            self._lines.task_done()

    def _finish(self) -> None:
        """Give what waits a last moment."""
        deadline = time.monotonic() + LAST_MOMENT
        with self._lines.all_tasks_done:
            while self._lines.unfinished_tasks and (left := deadline - time.monotonic()) > 0:
                self._lines.all_tasks_done.wait(left)


def _write(data: bytes) -> None:
    """To the descriptor itself: the interpreter waits at its end for whoever holds `sys.stderr`."""
    while data:
        data = data[os.write(STDERR, data) :]


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

"""What a command tells its user instead of an answer: one sentence and an exit status.

What the daemon has to say is a `CallError`, in its own words; this is what the command line finds out itself.
"""

from __future__ import annotations

from typing import Any

from gleitzeit_extensions.version import VERSION

USAGE = 2
UNREACHABLE = 3

INTERRUPTED = 130
"""128 + SIGINT, as the shell reports any program that Ctrl-C ended."""

DAEMON = "gleitzeitd/"


class Complaint(Exception):
    """`sentence` says what, where and what next; `code` is for programs, as in the daemon's own errors."""

    def __init__(self, sentence: str, exit: int, code: str) -> None:
        super().__init__(sentence)
        self.exit = exit
        self.code = code

    def wire(self) -> dict[str, Any]:
        """The same envelope as the daemon's errors have."""
        return {"code": self.code, "message": str(self), "retryable": False, "detail": {}}


LONGEST_TIME = 86400.0
"""Seconds that can be waited for: a day."""


def a_number_of_seconds(text: str) -> float:
    """What was written after `--timeout`, if it is a number; `seconds` says whether it can be meant."""
    try:
        return float(text)
    except ValueError as exc:
        raise misuse(f"--timeout takes seconds, such as 30 or 0.5, not {text or 'nothing'}") from exc


def seconds(given: float | None, *, least: float = 0.001) -> float | None:
    """The value of a `--timeout`, if it is one."""
    if given is None or least <= given <= LONGEST_TIME:
        return given
    raise misuse(f"--timeout takes seconds, more than 0 and at most a day, not {given:g}")


def misuse(sentence: str) -> Complaint:
    """The command line can't be understood, or can't be meant."""
    return Complaint(sentence, USAGE, "invalid_request")


def skew(server: str) -> str:
    """What to say of a daemon of another version, by its header `Server`; nothing of one that is as old."""
    version = server.removeprefix(DAEMON)
    if not server.startswith(DAEMON) or version == VERSION:
        return ""
    return f"the daemon is {version} and this is {VERSION}: restart the daemon, or upgrade what is older"

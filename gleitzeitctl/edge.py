"""The edge: whatever ended a command becomes one line on stderr and an exit status, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.complaint import Complaint, misuse
from gleitzeitctl.render import as_json, note

INTERRUPTED = 130
"""128 + SIGINT, as the shell reports any program that Ctrl-C ended."""

NOBODY_READS = 141
"""128 + SIGPIPE, as for any program whose reader has left (`gleitzeitctl logs | head`)."""

OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN)
"""What only a write fails with; what is written to files is told with their names, so it was to stdout."""


def complain(program: str, exc: BaseException, in_json: bool) -> int:
    """Tell what ended the command; the exit status."""
    settle_stdout()
    match exc:
        case KeyboardInterrupt():
            return INTERRUPTED
        case BrokenPipeError():
            return NOBODY_READS
        case CallError():
            return _tell(program, exc.wire(), exc.meaning.exit, in_json)
        case Complaint():
            return _tell(program, exc.wire(), exc.exit, in_json)
        case OSError():
            failed = Complaint(_system(exc), 1, "internal")
            return _tell(program, failed.wire(), failed.exit, in_json)
    return _complain_of_typer(program, exc, in_json)


def _complain_of_typer(program: str, exc: BaseException, in_json: bool) -> int:
    from typer import Exit

    if isinstance(exc, Exit):  # after --help
        return exc.exit_code
    # typer 0.26 has no public name for the class of its own errors
    complaint = misuse(_usage(exc)) if hasattr(exc, "format_message") else _mistake(program, exc)
    return _tell(program, complaint.wire(), complaint.exit, in_json)


def _mistake(program: str, exc: BaseException) -> Complaint:
    if os.environ.get("GLEITZEIT_TRACEBACK"):
        raise exc
    what = f"this is a mistake in {program}: {type(exc).__name__}: {exc}"
    return Complaint(f"{what}: report what it prints with GLEITZEIT_TRACEBACK=1", 1, "internal")


def _usage(exc: Any) -> str:
    """typer's words in our form: `no such option: --foo: see "gleitzeitctl status --help"`."""
    said = str(exc.format_message()).rstrip(".")
    context = getattr(exc, "ctx", None)
    colon = "" if said.endswith("?") else ":"
    advice = f'{colon} see "{context.command_path} --help"' if context else ""
    return f"{said[:1].lower()}{said[1:]}{advice}"


def _system(exc: OSError) -> str:
    if exc.filename:
        return f"{exc.filename}: {exc.strerror}"
    return f"cannot write the answer: {exc.strerror}" if exc.errno in OF_WRITING else str(exc.strerror or exc)


def _tell(program: str, envelope: dict[str, Any], status: int, in_json: bool) -> int:
    note(as_json({"error": envelope}) if in_json else f"{program}: {envelope['message']}")
    return status


def settle_stdout() -> None:
    """Write out what is left, or let go of it: else the interpreter would complain at its end."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

"""The edge: whatever ended a command becomes one line on stderr and an exit status, never a traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.complaint import INTERRUPTED, Complaint, misuse, skew
from gleitzeitctl.render import as_json, let_go, note

NOBODY_READS = 141
"""128 + SIGPIPE, as for any program whose reader has left (`gleitzeitctl logs | head`)."""

OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EAGAIN)
"""What only a write fails with; what is written to files is told with their names, so it was to stdout."""


def complain(program: str, exc: BaseException, in_json: bool, server: str = "") -> int:
    """Tell what ended the command; the exit status. `server`: what the daemon said that it is."""
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
    return _complain_of_typer(program, exc, in_json, server)


def _complain_of_typer(program: str, exc: BaseException, in_json: bool, server: str) -> int:
    from typer import Exit

    if isinstance(exc, Exit):  # after --help
        return exc.exit_code
    # typer 0.26 has no public name for the class of its own errors
    complaint = misuse(_usage(exc)) if hasattr(exc, "format_message") else _mistake(program, exc, server)
    return _tell(program, complaint.wire(), complaint.exit, in_json)


def _mistake(program: str, exc: BaseException, server: str) -> Complaint:
    if os.environ.get("GLEITZEIT_TRACEBACK"):
        raise exc
    if why := skew(server):
        sentence = f"what the daemon answered is not understood ({type(exc).__name__}: {exc}): {why}"
        return Complaint(sentence, 1, "protocol")
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
        let_go(sys.stdout)

"""Why a process could not be spawned, as a sentence; and whether only a human can mend that."""

from __future__ import annotations

import errno
import os
import sys

from gleitzeitd.core.errors import GleitzeitError
from gleitzeitd.core.spec import CommandTarget, Spec

MISTAKEN = frozenset(
    {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENOEXEC, errno.ELOOP, errno.EISDIR, errno.E2BIG}
)
"""What only a human can mend when a program cannot be executed (execve(2))."""


def refusal(spec: Spec, exc: Exception) -> tuple[str, bool]:
    """The sentence for a spawn that failed, and whether it is a mistake in the configuration."""
    match exc:
        case OSError():
            is_mistake = exc.errno in MISTAKEN and _is_of_program(spec, exc)
            return f"{spec.where}: {_why(spec, exc, is_mistake)}", is_mistake
        case GleitzeitError():
            return str(exc), True
        case ValueError() | IndexError():
            # What no process can be given: no program at all, a NUL in an argument.
            return f"{spec.where}: the process cannot be started: {exc}", True
        case _:
            return f"an internal error: {type(exc).__name__}: {exc}", False


def _program(spec: Spec) -> str:
    return spec.target.argv[0] if isinstance(spec.target, CommandTarget) else spec.python or sys.executable


def _is_of_program(spec: Spec, exc: OSError) -> bool:
    """Whether its exec failed, or the change to its directory: subprocess names them. Anything else that
    was not to be had is ours, and may be there the next time."""
    return exc.filename is not None and exc.filename in (_program(spec), spec.cwd)


def _why(spec: Spec, exc: OSError, is_mistake: bool) -> str:
    program = _program(spec)
    if exc.errno in MISTAKEN and not is_mistake:
        what = f": {exc.filename}" if exc.filename else ""
        return f'"{program}" cannot be started: {exc.strerror}{what}'
    match exc.errno:
        case errno.ENOENT if spec.cwd is not None and not os.path.isdir(spec.cwd):
            return f'there is no directory "{spec.cwd}"'
        case errno.ENOENT:
            return f'there is no program "{program}"'
        case errno.EACCES if exc.filename == spec.cwd:
            return f'the directory "{spec.cwd}" may not be entered'
        case errno.EACCES:
            return f'"{program}" may not be executed'
        case errno.ENOEXEC:
            return f'"{program}" is not a program: its first line may lack "#!"'
        case errno.EAGAIN:
            return f'"{program}" cannot be started: no more processes are allowed (ulimit -u, TasksMax)'
        case errno.EMFILE | errno.ENFILE:
            return f'"{program}" cannot be started: no more open files are allowed (ulimit -n)'
        case _:
            return f'"{program}" cannot be started: {exc.strerror}'

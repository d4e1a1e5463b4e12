"""Where in an author's files an exception came from: `my_provider.py:12`."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

OURS = str(Path(__file__).resolve().parent)


class Misconfigured(Exception):
    """Only a human can mend it: the text is the sentence that tells them how, the cause is what happened."""


def place(error: BaseException, roots: list[str]) -> str | None:
    """The innermost line of the author's own code that `error` passed through."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename, roots)}:{error.lineno}"
    frames = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    theirs = [
        (file, line) for file, line in frames if not file.startswith(("<", OURS)) and not _is_library(file)
    ]
    rooted = [(file, line) for file, line in theirs if any(file.startswith(f"{root}/") for root in roots)]
    for file, line in reversed(rooted or theirs):
        return f"{_short(file, roots)}:{line}"
    return None


def definition(cls: type) -> str | None:
    """Where the constructor of `cls` is written."""
    inits = (vars(kind)["__init__"] for kind in cls.__mro__ if "__init__" in vars(kind))
    code = getattr(next(inits), "__code__", None)
    if code is None or code.co_filename.startswith(OURS):
        return None
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"


def _is_library(file: str) -> bool:
    return "site-packages" in file or file.startswith((f"{sys.base_prefix}/lib", f"{sys.prefix}/lib"))


def _short(file: str, roots: list[str]) -> str:
    for root in roots:
        if file.startswith(f"{root}/"):
            return file[len(root) + 1 :]
    return file

"""Where in an author's files an exception came from: `my_provider.py:12`."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gleitzeit_extensions.failures import own_words

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


def words(error: BaseException, roots: list[str], asked: Callable[..., Any] | None = None) -> str:
    """What went wrong in the author's code, and where: `ValueError: no (mine.py:3)`.

    `asked`: what gave something of no use, where nothing of theirs raised it.
    """
    where = place(error, roots) or (written(asked) if asked and not _is_ours(asked) else None)
    return f"{own_words(error)}{f' ({where})' if where else ''}"


def written(thing: Any) -> str | None:
    """Where a class or a function is written: `mine.py:3`."""
    try:
        file = inspect.getsourcefile(thing) or ""
        _, line = inspect.getsourcelines(thing)
    except (OSError, TypeError):
        return None
    return f"{Path(file).name}:{line}"


def left_abstract(cls: type) -> list[str]:
    """Each method that the class leaves unwritten, and where it is asked for: `work (base.py:4)`."""
    names = sorted(getattr(cls, "__abstractmethods__", ()))
    places = {name: written(getattr(cls, name)) for name in names}
    return [f"{name}(){f' ({place})' if place else ''}" for name, place in places.items()]


def definition(cls: type) -> str | None:
    """Where the constructor of `cls` is written."""
    inits = (vars(kind)["__init__"] for kind in cls.__mro__ if "__init__" in vars(kind))
    code = getattr(next(inits), "__code__", None)
    if code is None or code.co_filename.startswith(OURS):
        return None
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}"


def _is_ours(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith("gleitzeit_extensions.")


def _is_library(file: str) -> bool:
    return "site-packages" in file or file.startswith((f"{sys.base_prefix}/lib", f"{sys.prefix}/lib"))


def _short(file: str, roots: list[str]) -> str:
    for root in roots:
        if file.startswith(f"{root}/"):
            return file[len(root) + 1 :]
    return file

"""Where in an author's files something is, and what it said: `/srv/service.py:12: KeyError: 'x'`."""

from __future__ import annotations

import inspect
from pathlib import Path

from gleitzeit_extensions import authors, failures


def told(
    error: BaseException, instance: object = None, method: str | None = None, *, root: Path | None = None
) -> str:
    """The author's own words, after the innermost line of theirs that `error` passed through.

    Where it passed through none: after that of the method, or of the class, of `instance`.
    """
    where = authors.place(error, [str(root)] if root else [])
    if where is None and instance is not None:
        where = of(instance, method)
    if isinstance(error, SyntaxError):
        words = f"{type(error).__name__}: {error.msg}"
    else:
        words = failures.own_words(error)
    return f"{root / where if root and where else where}: {words}" if where else words


def line(cls: type) -> int:
    """Where the class begins in its file; 1 for one that no text of it makes."""
    try:
        return inspect.getsourcelines(cls)[1]
    except (TypeError, OSError):
        return 1


def of(thing: object, method: str | None = None) -> str:
    """`file:line` of the class of `thing`, of that method, or of a class itself."""
    cls = thing if isinstance(thing, type) else type(thing)
    found = inspect.unwrap(getattr(cls, method, cls)) if method else cls
    try:
        return f"{inspect.getsourcefile(found)}:{inspect.getsourcelines(found)[1]}"
    except (TypeError, OSError):  # made by C, or by exec
        return f"{cls.__module__}.{cls.__qualname__}"

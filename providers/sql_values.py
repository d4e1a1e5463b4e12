"""What goes into a statement and what comes out of it: bound parameters, and values as JSON has them.

A parameter is never put into the text of a statement: its name stands there, and the driver gives the value.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions import InvalidRequest

if TYPE_CHECKING:
    from sqlalchemy import TextClause

Given = Mapping[str, Any]


class TookTooLong(InvalidRequest):
    """A statement that was ended; what it had done is undone."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the statement took longer than {seconds:g} s and was ended: ask for less")


def clean(what: str, text: str) -> str:
    """Text that every database takes."""
    if "\0" in text:
        raise InvalidRequest(f"{what} has a NUL character in it")
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise InvalidRequest(f"{what} has half of a surrogate pair in it, which is no text") from exc
    return text


def statement(sql: str, given: Given | None) -> tuple[TextClause, dict[str, Any]]:
    """A statement and the values of its `:names`, each of which must have one."""
    from sqlalchemy import bindparam, text

    given = given or {}
    # Most people end a statement so; a `;` inside of it is for the database to refuse.
    stripped = clean("sql", sql).rstrip("; \t\r\n")
    if not stripped:
        raise InvalidRequest("sql is empty")
    clause = text(stripped)
    names = set(clause.compile().params)
    if missing := sorted(names - given.keys()):
        raise InvalidRequest(
            f"no value for :{missing[0]}: give it in params, or write \\:{missing[0]} where no value is meant"
        )
    if unused := sorted(given.keys() - names):
        raise InvalidRequest(f"params has {unused[0]:.40}, and sql has no :{unused[0]:.40}")
    values = {name: _taken(name, given[name]) for name in names}
    lists = [name for name, value in values.items() if isinstance(value, list)]
    return clause.bindparams(*[bindparam(name, expanding=True) for name in lists]), values


def with_sets(sql: str, params: Any) -> tuple[TextClause, Any]:
    """A statement with the values of its names, or with a list of them."""
    match params:
        case None | dict():
            return statement(sql, params)
        case [*sets] if sets and all(isinstance(one, dict) for one in sets):
            taken = [statement(sql, one) for one in sets]
            values = [given for _, given in taken]
            if any(isinstance(value, list) for given in values for value in given.values()):
                raise InvalidRequest("a list for `IN` cannot be in one of several params")
            return taken[0][0], values
    raise InvalidRequest("params is an object, or a list of objects that is not empty")


def _taken(name: str, value: Any) -> Any:
    match value:
        case str():
            return clean(f"params.{name:.40}", value)
        case None | bool() | int() | float():
            return value
        case list() if not any(isinstance(item, list) for item in value):
            return [_taken(name, item) for item in value]
        case {"base64": str(text)} if len(value) == 1:
            try:
                return base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError) as exc:
                raise InvalidRequest(f"params.{name:.40} is not base64") from exc
    raise InvalidRequest(
        f'params.{name:.40} is neither a plain value, a list of such for `IN`, nor {{"base64": "..."}}: '
        "give JSON as text"
    )


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            return {"base64": base64.b64encode(value).decode()}
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set():
            return [plain(item) for item in value]
    return str(value)


def bulk(value: Any) -> int:
    """Bytes or characters that it has at least, without a copy being made."""
    return len(value) if isinstance(value, (str, bytes, bytearray, memoryview)) else 0

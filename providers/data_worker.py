"""One statement of DuckDB's in a process of its own, which can be killed at any time and cannot harm another.

DuckDB alone does not hold its limits: `repeat('x', 3000000000)` takes no notice of its memory limit or of an
interrupt, and a path with `..` behind a symbolic link leads out of its allowed directories.
It is handed an order on stdin and answers on stdout, both JSON.
"""

from __future__ import annotations

import base64
import json
import math
import os
import resource
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from providers.confinement import confine, die_with_parent

MOST_BYTES = 4 * 1024 * 1024
"""Of an answer, as JSON."""

ROOM = 768 * 1024 * 1024
"""Bytes that the program itself and its threads take beside what DuckDB counts."""

NEEDED = (sys.prefix, sys.base_prefix, "/proc/self", "/sys/fs/cgroup")
"""Read by Python, and by DuckDB 2.0, which aborts when it may not look up its own limits there."""


def main() -> None:
    order = json.load(sys.stdin)
    die_with_parent(order["parent"])
    try:
        answer = _answer(order)
    except MemoryError:
        answer = {"error": "OutOfMemoryException", "message": "the memory limit is reached"}
    except Exception as exc:  # whatever it is, it is told
        answer = {"error": type(exc).__name__, "message": str(exc)[:2000]}
    sys.stdout.write(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # what DuckDB would tidy up is gone with the process


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    # What is imported later would have to be read from where this process may not look any more.
    import uuid  # noqa: F401
    from decimal import Decimal  # noqa: F401

    import duckdb

    os.chdir(order["roots"][0])
    _limit(order)
    needed = {path for place in NEEDED if (path := Path(place)).exists()}
    confine([*map(Path, order["roots"]), *needed], map(Path, order["writable"]))
    connection = duckdb.connect(":memory:", config=_config(order))
    places = [*order["roots"], *order["writable"]]
    connection.execute(f"SET allowed_directories = {_literal(places)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    statements = connection.extract_statements(order["sql"])
    if order["must_read"] and [one.type for one in statements] != [duckdb.StatementType.SELECT]:
        return {"error": "NotAQuery", "message": "it has to be one statement that reads, such as SELECT"}
    connection.execute(statements[0], order["parameters"] or None)
    return _rows(connection, order["rows"])


def _config(order: dict[str, Any]) -> dict[str, Any]:
    return {
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "max_temp_directory_size": f"{order['disk']}B",
        "memory_limit": f"{order['memory']}B",
        "temp_directory": order["temporary"],
        "threads": order["threads"],
    }


def _limit(order: dict[str, Any]) -> None:
    for which, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_DATA, order["memory"] + ROOM),
        (resource.RLIMIT_FSIZE, order["disk"]),
    ):
        resource.setrlimit(which, (most, most))


def _rows(connection: Any, most: int) -> dict[str, Any]:
    columns = [{"name": one[0], "type": str(one[1])} for one in connection.description or ()]
    rows: list[list[Any]] = []
    left = MOST_BYTES - len(json.dumps(columns))
    if left < 0:
        return {"error": "TooWide", "message": f"{len(columns):,} columns are too many to name: select fewer"}
    for row in _fetched(connection):
        plain = [_plain(value) for value in row]
        left -= len(json.dumps(plain))
        if len(rows) == most or left < 0:
            return {"columns": columns, "rows": rows, "truncated": True}
        rows.append(plain)
    return {"columns": columns, "rows": rows, "truncated": False}


def _fetched(connection: Any) -> Iterator[tuple[Any, ...]]:
    while (row := connection.fetchone()) is not None:
        yield row


def _plain(value: Any) -> Any:
    """As JSON can carry it: exact decimals as text, bytes in base64, what is no number as null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return str(value)


def _literal(texts: list[str]) -> str:
    return "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + "]"


if __name__ == "__main__":
    main()

"""What is kept of vectors, and what is asked of them: checked once, so that each backend may trust it."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from gleitzeit_extensions import InvalidRequest

MOST_DIMENSIONS = 8192
LONGEST_ID = 200
LONGEST_KEY = 100
LONGEST_TEXT = 64 * 1024
MOST_METADATA = 16 * 1024
"""Bytes of an item's metadata, as JSON."""

LONGEST, SHORTEST = 1e15, 1e-15
"""Lengths of a vector; beyond them its squares leave the range of four bytes, in which backends count."""

OPERATORS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
METRICS = ("cosine", "l2")
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

Item = dict[str, Any]


@dataclass(frozen=True)
class Collection:
    name: str
    dimensions: int
    metric: str

    @property
    def table(self) -> str:
        return f"gleitzeit_vectors_{self.name}"

    def packed(self, numbers: Sequence[Any], whose: str) -> array[float]:
        """A vector that fits in here, each number of four bytes; raises `InvalidRequest`."""
        if len(numbers) != self.dimensions:
            raise InvalidRequest(
                f'{whose} has {len(numbers):,} dimensions, and "{self.name}" has {self.dimensions:,}'
            )
        length = math.nan
        if all(type(number) in (int, float) for number in numbers):
            with suppress(OverflowError):
                length = math.hypot(*numbers)
        if not length <= LONGEST:
            raise InvalidRequest(f"{whose} has to be of numbers, and no longer than {LONGEST:g}")
        if self.metric == "cosine" and length < SHORTEST:
            raise InvalidRequest(
                f"{whose} has no direction, which cosine compares: it is shorter than {SHORTEST:g}"
            )
        return array("f", numbers)


@dataclass(frozen=True)
class Row:
    id: str
    vector: array[float]
    metadata: str
    """JSON of an object without others inside."""
    text: str | None


@dataclass(frozen=True)
class Condition:
    """That the metadata have `key`, and that its value is `operator` to this one."""

    key: str
    operator: str
    value: str | float | bool | None


class Store(Protocol):
    """Where collections are kept; each change is made as a whole or not at all."""

    async def collections(self) -> list[Collection]: ...
    async def create(self, wanted: Collection) -> bool:
        """Whether it is new; one of that name is left as it is."""
        ...

    async def drop(self, collection: Collection) -> None: ...
    async def upsert(self, collection: Collection, rows: list[Row]) -> None: ...
    async def get(self, collection: Collection, ids: list[str]) -> list[Row]: ...
    async def search(
        self, collection: Collection, vector: array[float], k: int, conditions: list[Condition]
    ) -> list[tuple[str, float, str, str | None]]:
        """The nearest: id, distance, metadata and text of each."""
        ...

    async def delete(
        self, collection: Collection, ids: list[str] | None, conditions: list[Condition]
    ) -> int: ...
    async def count(self, collection: Collection, conditions: list[Condition]) -> int: ...
    async def close(self) -> None: ...

    @property
    def by(self) -> str:
        """What compares vectors."""
        ...


def collection(name: str, dimensions: int, metric: str) -> Collection:
    if not NAME.fullmatch(name):
        raise InvalidRequest(
            "the name of a collection is of a-z, 0-9 and _, begins with a letter, and has 40 at most:"
            f" not {_shown(name)}"
        )
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise InvalidRequest(f"dimensions has to be from 1 to {MOST_DIMENSIONS:,}, not {dimensions}")
    if metric not in METRICS:
        raise InvalidRequest(f"metric has to be one of {', '.join(METRICS)}, not {_shown(metric)}")
    return Collection(name, dimensions, metric)


def row(where: Collection, item: Item) -> Row:
    match item:
        case {"id": str(id), "vector": list(vector)} if not item.keys() - {
            "id",
            "vector",
            "metadata",
            "text",
        }:
            pass
        case _:
            raise InvalidRequest(
                "an item is {id, vector, metadata?, text?}: a string, numbers, an object, a string"
            )
    text = item.get("text")
    if text is not None and (not isinstance(text, str) or not _can_be_kept(text) or len(text) > LONGEST_TEXT):
        raise InvalidRequest(f"text has to be a string of {LONGEST_TEXT:,} characters at most, without NUL")
    return Row(
        checked_id(id),
        where.packed(vector, f"the vector of {_shown(id)}"),
        _metadata(item.get("metadata")),
        text,
    )


def checked_id(id: str) -> str:
    if not 1 <= len(id) <= LONGEST_ID or not _can_be_kept(id):
        raise InvalidRequest(f"an id has 1 to {LONGEST_ID} characters, without NUL: not {_shown(id)}")
    return id


def conditions(filter: Item | None) -> list[Condition]:
    """All of which have to hold."""
    found = []
    for key, wanted in (filter or {}).items():
        _check_key(key)
        if not isinstance(wanted, dict):
            _check_scalar(key, wanted)
            found.append(Condition(key, "=", wanted))
            continue
        if not wanted or wanted.keys() - OPERATORS.keys():
            raise InvalidRequest(f"the range of {_shown(key)} has to be of {', '.join(OPERATORS)}")
        for operator, bound in wanted.items():
            _check_scalar(key, bound)
            if bound is None or isinstance(bound, bool):
                raise InvalidRequest(f"a bound of {_shown(key)} has to be a number or a string")
            found.append(Condition(key, OPERATORS[operator], bound))
    return found


def _metadata(given: Any) -> str:
    if given is None:
        return "{}"
    if not isinstance(given, dict):
        raise InvalidRequest("metadata has to be an object")
    for key, value in given.items():
        _check_key(key)
        _check_scalar(key, value)
    text = json.dumps(given, ensure_ascii=False)
    if len(text.encode()) > MOST_METADATA:
        raise InvalidRequest(f"metadata has to fit into {MOST_METADATA:,} bytes")
    return text


def _check_key(key: Any) -> None:
    # SQLite before 3.45 compares a name with its escapes, which only these two and control characters need.
    if (
        not isinstance(key, str)
        or not 1 <= len(key) <= LONGEST_KEY
        or not _can_be_kept(key)
        or re.search(r'[\x00-\x1f"\\]', key)
    ):
        raise InvalidRequest(
            f"a name in metadata has 1 to {LONGEST_KEY} characters, no quotes, backslashes or controls:"
            f" not {_shown(key)}"
        )


def _check_scalar(key: str, value: Any) -> None:
    match value:
        case None | bool():
            return
        case str() if _can_be_kept(value):
            return
        case int() if -(2**63) <= value < 2**63:
            return
        case float() if math.isfinite(value):
            return
    raise InvalidRequest(
        f"the value of {_shown(key)} has to be a string without NUL, a number of 64 bits, true, false or null"
    )


def _can_be_kept(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def _shown(value: object) -> str:
    return json.dumps(value)[:60] if isinstance(value, str) else f"a {type(value).__name__}"

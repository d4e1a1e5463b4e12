"""What the daemon has of the output: the newest records, and those that come."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterator
from typing import Any, NamedTuple

from gleitzeitctl.client import Client
from gleitzeitctl.logs.records import Record

EVERYTHING = 1_000_000
"""More records than the daemon has in memory."""


class Missed(NamedTuple):
    """What was not read in time: so many bytes, and the time of the last of each instance."""

    size: int
    last: dict[str, bytes]


class Memory:
    def __init__(self, client: Client, names: list[str], stream: str) -> None:
        self._client = client
        self._query: list[tuple[str, str | int]] = [("name", name) for name in names]
        self._stream: list[tuple[str, str | int]] = [("stream", stream)] if stream else []

    def files(self) -> tuple[str, list[str]]:
        """The directory of the files, and the instances that are meant. Raises CallError, Complaint."""
        found = self._client.get("/v1/logs/files", self._query)
        return found["directory"], found["instances"]

    def newest(self, count: int = EVERYTHING, since: bytes = b"") -> dict[str, list[Record]]:
        """The last records of all instances together, by instance. Raises Complaint."""
        records: dict[str, list[Record]] = {}
        for told in self._ask(("n", count), ("since", since.decode())):
            records.setdefault(told["instance"], []).append(_record(told))
        return records

    def stream(self, since: bytes) -> Iterator[Record | Missed]:
        """All that it has from then on, and what comes, until the daemon ends. Raises Complaint."""
        for told in self._ask(("n", EVERYTHING), ("since", since.decode()), ("follow", 1)):
            yield _missed(told) if "missed" in told else _record(told)

    def _ask(self, *query: tuple[str, str | int]) -> Iterator[Any]:
        given = [(key, value) for key, value in query if value != ""]
        return self._client.follow("/v1/logs", [*self._query, *self._stream, *given])


def _record(told: dict[str, Any]) -> Record:
    line = a2b_base64(told["raw"]) if "raw" in told else told["line"].encode()
    return Record(told["time"].encode(), told["instance"], told["stream"], line, told["partial"])


def _missed(told: dict[str, Any]) -> Missed:
    return Missed(told["missed"], {name: time.encode() for name, time in told["last"].items()})

"""The lines that an MCP server writes, however they are cut; what is too long is never kept.

Pure. An answer that is too long still says which call it answers: at its beginning or at its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

PEEK = 4096
"""Bytes of the beginning and of the end that are kept of a line that is too long."""

# Where it stands first or last, it is no other object's.
_FIRST = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,15})\s*,')
_LAST = re.compile(rb',\s*"id"\s*:\s*(\d{1,15})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')


@dataclass(frozen=True)
class TooLong:
    """What is left of a line of more bytes than there may be."""

    beginning: bytes
    end: bytes

    @property
    def id(self) -> int | None:
        """That of the request that it answers."""
        found = _FIRST.match(self.beginning) or _LAST.search(self.end)
        return int(found[1]) if found else None


class Lines:
    """Pieces in, lines out, without their ends."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._size = 0
        self._beginning = b""
        self._rest = bytearray()

    def cut(self, piece: bytes) -> Iterator[bytes | TooLong]:
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._add(end)
            yield self._taken()
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        self._rest += piece
        if self._size > self._longest:
            self._beginning = self._beginning or bytes(self._rest[:PEEK])
            del self._rest[:-PEEK]

    def _taken(self) -> bytes | TooLong:
        rest = bytes(self._rest)
        line = TooLong(self._beginning, rest) if self._size > self._longest else rest
        self._size, self._beginning = 0, b""
        self._rest.clear()
        return line

"""What a database that speaks SQL has to be able to: read only, stop, and say what went wrong.

That a statement only reads is for the database to enforce: nothing here looks into a statement.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import URL, CursorResult, TextClause
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gleitzeit_extensions import CallError

CONNECT_WITHIN = 10
"""Seconds that a connection may take."""

INTERRUPT_WITHIN = 2.0
"""Seconds in which a server takes the wish that a statement ends."""

ONE_SELECT = "what is wanted here is one SELECT"

ONLY_READS = "this provider only reads (allow_writes is off)"

Guarded = AbstractAsyncContextManager[None]


class Server(ABC):
    """One database, at its URL."""

    reads_to_the_end = False
    """Whether rows that nobody wants any more come nevertheless."""

    def __init__(self, url: URL, writes: bool, schema: str, connections: int) -> None:
        self.url, self.writes, self.schema, self.connections = url, writes, schema, connections

    @abstractmethod
    def engine(self) -> AsyncEngine:
        """What its connections come from; none of them is opened yet."""

    @abstractmethod
    async def begin(self, connection: AsyncConnection, seconds: float | None) -> None:
        """Open a transaction, whose statements the server ends after `seconds`; None is never."""

    @abstractmethod
    def guarded(self, connection: AsyncConnection, clause: TextClause | None) -> Guarded:
        """As what the caller wrote is run; a `clause` has to be a SELECT."""

    @abstractmethod
    async def interrupt(self, driver: Any) -> None:
        """End the statement that runs; may be called at any time."""

    @abstractmethod
    def has_ended(self, driver: Any) -> bool:
        """Whether its transaction is over."""

    @abstractmethod
    def refusal(self, error: BaseException, said: str) -> CallError | None:
        """What an error of the driver's is; None for a statement that took too long."""

    @abstractmethod
    async def drop(self, driver: Any) -> None:
        """Close the connection without a word to a server that does not answer."""

    def said(self, error: BaseException) -> str:
        """The words of an error of the driver's."""
        return str(error)

    def last_id(self, result: CursorResult[Any]) -> int | None:
        """The key that an inserted row was given."""
        return result.lastrowid or None

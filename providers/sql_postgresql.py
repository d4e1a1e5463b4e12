"""PostgreSQL, by psycopg."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import CursorResult, TextClause, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers.sql_server import CONNECT_WITHIN, INTERRUPT_WITHIN, ONE_SELECT, ONLY_READS, Server


class PostgreSQL(Server):
    """Reads through a cursor, which the grammar has for SELECT alone, in a transaction that is read only."""

    def engine(self) -> AsyncEngine:
        import psycopg

        class OneStatement(psycopg.AsyncCursor[Any]):
            """Always by the extended protocol, since the simple one takes several statements at once."""

            def _execute_send(self, query: Any, *, force_extended: bool = True, **more: Any) -> None:
                super()._execute_send(query, force_extended=True, **more)

        engine = create_async_engine(
            self.url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            pool_size=self.connections,
            # One for each call, and one for the question about its health.
            max_overflow=1,
            pool_pre_ping=True,
            connect_args={
                "cursor_factory": OneStatement,
                # What is prepared does not outlive a call: see below.
                "prepare_threshold": None,
                "connect_timeout": CONNECT_WITHIN,
                "fallback_application_name": "gleitzeit",
            },
        )

        @event.listens_for(engine.sync_engine, "reset")
        def _reset(dbapi: Any, _: object, state: Any) -> None:
            """Nothing that a call did to its session is left to the next: settings, locks, listening."""
            if not state.terminate_only:
                dbapi.rollback()
                dbapi.autocommit = True
                cursor = dbapi.cursor()
                cursor.execute("DISCARD ALL")
                cursor.close()
                dbapi.autocommit = False

        return engine

    async def begin(self, connection: AsyncConnection, seconds: float | None) -> None:
        # As a query and not as SET: after the first query no transaction can be made to write again.
        sets = ["set_config('statement_timeout', :limit, true)"]
        if not self.writes:
            sets.append("set_config('transaction_read_only', 'on', true)")
        if self.schema:
            sets.append("set_config('search_path', quote_ident(:schema), true)")
        given = {"limit": str(round((seconds or 0) * 1000)), "schema": self.schema}
        await connection.execute(text(f"SELECT {', '.join(sets)}"), given)

    @asynccontextmanager
    async def guarded(self, connection: AsyncConnection, clause: TextClause | None) -> AsyncIterator[None]:
        """The cursor that reads is guard enough."""
        yield

    async def interrupt(self, driver: Any) -> None:
        await driver.cancel_safe(timeout=INTERRUPT_WITHIN)

    async def drop(self, driver: Any) -> None:
        await driver.close()

    def last_id(self, result: CursorResult[Any]) -> int | None:
        return None

    def said(self, error: BaseException) -> str:
        """Without the line that shows the statement, since that is ours: `DECLARE ... CURSOR FOR`."""
        diag = getattr(error, "diag", None)
        parts = [diag.message_primary, diag.message_detail, diag.message_hint] if diag else []
        return ". ".join(part for part in parts if part) or str(error)

    def has_ended(self, driver: Any) -> bool:
        return bool(driver.info.transaction_status.name == "IDLE")

    def refusal(self, error: BaseException, said: str) -> CallError | None:
        state = getattr(error, "sqlstate", None) or ""
        match state[:2], state:
            case _, "57014" if "timeout" in said:
                return None
            case _, "25006":
                return InvalidRequest(f"{ONLY_READS}: {said}")
            case _, "42601" if not self.writes:
                return InvalidRequest(f"{said} ({ONE_SELECT})")
            case ("08" | "53" | "57" | "40", _) | (_, "55P03"):
                return Unavailable(said)
            case ("28" | "3D", _):
                return CallError("provider_error", f"{said} (is url right?)")
            case ("", _) if type(error).__name__ == "OperationalError":
                refused = "FATAL" in said and "starting up" not in said and "too many" not in said
                return (
                    CallError("provider_error", f"{said} (is url right?)") if refused else Unavailable(said)
                )
            case ("58" | "F0" | "XX", _):
                return CallError("provider_error", said)
        return InvalidRequest(said)

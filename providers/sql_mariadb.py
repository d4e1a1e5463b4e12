"""MariaDB, by aiomysql."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import NullPool, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gleitzeit_extensions import CallError, InvalidRequest, Unavailable
from providers.sql_server import CONNECT_WITHIN, INTERRUPT_WITHIN, ONE_SELECT, ONLY_READS, Server


class MariaDB(Server):
    """Reads in a transaction that is read only, what its own parser took for a part of a SELECT."""

    reads_to_the_end = True

    def engine(self) -> AsyncEngine:
        return create_async_engine(
            self.url.set(drivername="mariadb+aiomysql"),
            hide_parameters=True,
            # A session keeps what a call did to it, and the driver has no way to reset one.
            poolclass=NullPool,
            connect_args={
                "async_creator_fn": _connected,
                "charset": "utf8mb4",
                "local_infile": False,
                "connect_timeout": CONNECT_WITHIN,
            },
        )

    async def begin(self, connection: AsyncConnection, seconds: float | None) -> None:
        await connection.execute(text("SET SESSION max_statement_time = :limit"), {"limit": seconds or 0})
        await connection.execute(text(f"START TRANSACTION {'READ WRITE' if self.writes else 'READ ONLY'}"))

    @asynccontextmanager
    async def guarded(self, connection: AsyncConnection, clause: TextClause | None) -> AsyncIterator[None]:
        """`BEGIN NOT ATOMIC COMMIT; ... END` is one statement, and would leave the transaction."""
        driver: Any = (await connection.get_raw_connection()).driver_connection
        driver.takes_only_a_select = clause is not None
        try:
            yield
        finally:
            driver.takes_only_a_select = False

    async def interrupt(self, driver: Any) -> None:
        if driver.closed:
            return
        other = self.engine()
        try:
            async with asyncio.timeout(INTERRUPT_WITHIN), other.connect() as connection:
                await connection.execute(text(f"KILL QUERY {int(driver.thread_id())}"))
        finally:
            await other.dispose()

    async def drop(self, driver: Any) -> None:
        driver.close()

    def said(self, error: BaseException) -> str:
        """Without its number."""
        return str(error.args[-1]) if error.args else str(error)

    def has_ended(self, driver: Any) -> bool:
        return not driver.get_transaction_status()

    def refusal(self, error: BaseException, said: str) -> CallError | None:
        match error.args[0] if error.args else None:
            case 1969:
                return None
            case 1792:
                return InvalidRequest(f"{ONLY_READS}: {said}")
            case 1064 if not self.writes:
                return InvalidRequest(f"{said} ({ONE_SELECT})")
            case 1044 | 1045 | 1049 | 1698:
                return CallError("provider_error", f"{said} (is url right?)")
            case 1040 | 1053 | 1203 | 1205 | 1213 | 1226 | 1317 | 1927:
                return Unavailable(said)
            case int(code) if 2000 <= code < 3000:
                return Unavailable(said)
        return InvalidRequest(said)


async def _connected(**how: Any) -> Any:
    import aiomysql
    from pymysql.constants import CLIENT

    class OneStatement(aiomysql.Connection):  # type: ignore[misc]
        """A connection that takes one statement at a time, which the driver has no setting for."""

        def __init__(self, **how: Any) -> None:
            super().__init__(**how)
            self.client_flag &= ~CLIENT.MULTI_STATEMENTS
            self.takes_only_a_select = False

        async def query(self, sql: str, unbuffered: bool = False) -> Any:
            """As it is sent: the driver writes the values into it, also where they become more than values.

            In the place of a subquery the server takes nothing but a SELECT without INTO. It is parsed and
            not run.
            """
            if self.takes_only_a_select:
                wrapped = self.escape(f"SELECT EXISTS (\n{sql}\n)")
                await super().query(f"PREPARE gleitzeit FROM {wrapped}")
                await super().query("DEALLOCATE PREPARE gleitzeit")
            return await super().query(sql, unbuffered)

        def escape(self, obj: Any) -> str:
            # aiomysql 0.3 fails with bytes since PyMySQL 1.2.
            return f"_binary X'{obj.hex()}'" if isinstance(obj, bytes) else super().escape(obj)

    connection = OneStatement(**how)
    await connection.ping(reconnect=True)
    return connection

"""Runs a batch: each line is called, again where that may help, and written once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from gleitzeit_extensions.batch import retries
from gleitzeit_extensions.batch.files import FileError, Output, lines_of
from gleitzeit_extensions.batch.lines import Line
from gleitzeit_extensions.batch.pump import pumped

PATIENCE = 300.0
"""Seconds that a daemon may be away before the batch stops."""
AGAIN = 0.5

Answer = dict[str, Any]
"""`{"result": ...}` or `{"error": {code, message, retryable, detail}}`."""
Call = Callable[[Any], Awaitable[Answer]]
"""Makes one call. Raises Away when the daemon was not asked, and Lost when nobody knows whether it was."""


class Away(Exception):
    """There is no daemon that could be asked; the text says why."""


class Lost(Exception):
    """The daemon ended while it had the call; the text says how."""


class Runner:
    def __init__(self, output: Output, call: Call, concurrency: int, ordered: bool) -> None:
        self.output = output
        self._call, self._concurrency, self._ordered = call, concurrency, ordered
        self._heard = time.monotonic()

    async def run(self, enough: asyncio.Event, told: Callable[[], None]) -> bool:
        """Until all is done, or `enough`, after which no line is taken; whether all was done.

        `told` is called after each line. Raises FileError, and Away when the daemon stays away.
        """
        left = lines_of(self.output.places, self.output.done)

        def wanted() -> Any:
            for line in left:
                yield line
                if enough.is_set():
                    return

        async with pumped(wanted(), self._answered, self._concurrency, self._ordered) as answers:
            async for line, answer in answers:
                is_failed = "error" in answer
                raw = line.failed(answer["error"]) if is_failed else line.succeeded(answer["result"])
                self.output.write(line, raw, is_failed)
                told()
        return not enough.is_set()

    async def _answered(self, line: Line) -> tuple[Line, Answer]:
        if line.misfit:
            return line, {"error": _error("invalid_request", line.misfit)}
        attempt = 0
        while True:
            attempt += 1
            answer = await self._asked(line)
            if "error" not in answer:
                return line, answer
            wait = retries.pause(answer["error"], line.is_repeatable, attempt)
            if wait is None:
                return line, answer
            await asyncio.sleep(wait)

    async def _asked(self, line: Line) -> Answer:
        """The answer of a daemon, who may be away for a while."""
        while True:
            try:
                answer = await self._call(line.call)
            except Away as exc:
                if time.monotonic() - self._heard > PATIENCE:
                    raise Away(f"{exc}; it was waited for {PATIENCE / 60:g} minutes") from exc
                await asyncio.sleep(AGAIN)
                continue
            except Lost as exc:
                return {"error": _error("instance_lost", str(exc))}
            self._heard = time.monotonic()
            return answer


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message, "retryable": False, "detail": {}}


__all__ = ["Away", "Call", "FileError", "Lost", "Output", "Runner"]

"""One call as the hub asked for it, and what has become of it so far."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from gleitzeit_extensions.credit import Credit
from gleitzeit_extensions.current import CurrentCall
from gleitzeit_extensions.protocol import CallError

DEADLINE_SLACK = 0.5
"""Seconds past its deadline after which a call is ended here, if the hub did not cancel it itself."""


@dataclass(eq=False)
class Call:
    """One call under way; `verdict` is what its answer will be, whatever the author's code still does."""

    about: CurrentCall
    args: dict[str, Any]
    stream: bool
    credit: Credit
    frames: int = 0
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    threads: set[asyncio.Future[None]] = field(default_factory=set, repr=False)
    """Those that have not returned."""
    has_begun: bool = False
    verdict: CallError | None = None

    @property
    def id(self) -> str:
        return self.about.id

    @property
    def method(self) -> str:
        return self.about.method

    @property
    def patience(self) -> float | None:
        """Seconds until it is ended here."""
        left = self.about.seconds_left
        return None if left is None else left + DEADLINE_SLACK

    @classmethod
    def read(cls, data: Any, window: int) -> Call:
        """The call in an `invoke`; raises `protocol` when there is not even an id to answer to."""
        match data:
            case {"id": str(id), "method": str(method)} if id:
                pass
            case _:
                raise CallError("protocol", f"an invoke needs a string id and method, not {data!r:.200}")
        args, credit = data.get("args"), data.get("credit")
        granted = credit if isinstance(credit, int) else window
        call = cls(_about(id, method, data), {}, data.get("stream") is True, Credit(granted))
        if isinstance(args, dict):
            call.args = args
        elif args is not None:
            kind = type(args).__name__
            sentence = f'the arguments of "{method}" must be an object with names, not a {kind}'
            call.verdict = CallError("invalid_request", sentence)
        return call

    def end(self, verdict: CallError) -> None:
        """Have the call answered with `verdict` as soon as the author's code lets go."""
        self.verdict = self.verdict or verdict
        if self.task and self.has_begun:  # a task that is cancelled before its first step would never answer
            self.task.cancel()


def _about(id: str, method: str, data: dict[str, Any]) -> CurrentCall:
    left, model, key, attempt = (data.get(name) for name in ("deadline_ms", "model", "key", "attempt"))
    return CurrentCall(
        id,
        method,
        model if isinstance(model, str) else "",
        key if isinstance(key, str) else "",
        attempt if isinstance(attempt, int) else 1,
        time.monotonic() + max(left, 0) / 1000 if isinstance(left, (int, float)) else None,
    )

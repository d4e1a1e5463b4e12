"""One call as the hub asked for it, and what has become of it so far."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.streams import Credit

DEADLINE_SLACK = 0.5
"""Seconds past its deadline after which a call is ended here, if the hub did not cancel it itself."""


@dataclass(eq=False)
class Call:
    """One call under way; `verdict` is what its answer will be, whatever the author's code still does."""

    id: str
    method: str
    args: dict[str, Any]
    stream: bool
    seconds: float | None
    credit: Credit
    frames: int = 0
    task: asyncio.Task[None] | None = field(default=None, repr=False)
    has_begun: bool = False
    verdict: CallError | None = None

    @classmethod
    def read(cls, data: Any, window: int) -> Call:
        """The call in an `invoke`; raises `protocol` when there is not even an id to answer to."""
        match data:
            case {"id": str(id), "method": str(method)} if id:
                pass
            case _:
                raise CallError("protocol", f"an invoke needs a string id and method, not {data!r:.200}")
        args, left, credit = data.get("args"), data.get("deadline_ms"), data.get("credit")
        seconds = max(left, 0) / 1000 + DEADLINE_SLACK if isinstance(left, (int, float)) else None
        granted = credit if isinstance(credit, int) else window
        call = cls(id, method, {}, data.get("stream") is True, seconds, Credit(granted))
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

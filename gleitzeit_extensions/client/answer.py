"""What the daemon answers, read from its bytes: a value, an error, or the lines of a stream."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

from gleitzeit_extensions.client.errors import Unreachable, error, read_error


class Ended(Exception):
    """The stream is over, and nothing of it is missing."""


def read(status: int, body: bytes, where: str) -> Any:
    """The value of an answer. Raises ClientError when it is an error, or no answer of a daemon's."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise Unreachable(
            f"what answers at {where} is no Gleitzeit daemon: it said {status} {body[:80]!r}"
        ) from exc
    if status >= 400:
        raise read_error(answer.get("error") if isinstance(answer, dict) else answer)
    return answer


class Lines:
    """The lines of a streamed answer, out of pieces of any size."""

    def __init__(self) -> None:
        self._whole: deque[bytes] = deque()
        self._open: list[bytes] = []

    def __bool__(self) -> bool:
        return bool(self._whole)

    def feed(self, piece: bytes) -> None:
        """Take what came; nothing means that nothing more will. Raises ClientError for an early end."""
        if not piece:
            raise error("protocol", "the stream stopped without a word: whether it was whole is not known")
        before, newline, rest = piece.rpartition(b"\n")
        if newline:
            self._whole.extend(b"".join([*self._open, before]).split(b"\n"))
            self._open = []
        self._open.append(rest)

    def item(self) -> Any:
        """The next item. Raises Ended after the last, ClientError when the stream failed."""
        try:
            line = json.loads(self._whole.popleft())
        except ValueError as exc:
            raise error("protocol", f"the stream has a line that is not JSON: {exc}") from exc
        match line:
            case {"item": item}:
                return item
            case {"end": _}:
                raise Ended
            case {"error": envelope}:
                raise read_error(envelope)
        raise error("protocol", f"the stream has a line that is neither an item nor its end: {line!r:.80}")

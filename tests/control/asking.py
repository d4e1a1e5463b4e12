"""Plain HTTP over the control socket, as any program would speak it: nothing here is ours but the paths."""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.house import PATIENCE

# The HTTP status of each code, as docs/protocol.md has it.
STATUS = {
    "invalid_request": 400,
    "forbidden": 403,
    "not_found.provider": 404,
    "not_found.method": 404,
    "too_large": 413,
    "provider_error": 502,
    "instance_lost": 502,
    "no_instance": 503,
    "deadline_exceeded": 504,
}


DOCUMENT = Path(__file__).resolve().parents[2] / "docs/control-api.md"


def documented(pattern: str) -> set[str]:
    """The fields that the document lists where the pattern finds them; of one that is a list, its name."""
    listed = re.search(pattern, DOCUMENT.read_text(), re.DOTALL)
    assert listed is not None, pattern
    # What is inside of a field, and what values it has, is for others to compare.
    flat = re.sub(r": (\[[^]]*\]|[^,{}]+)", "", listed[1])
    return set(re.split(r",\s+", flat))


@dataclass(frozen=True)
class Answer:
    status: int
    type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        assert self.type == "application/json; charset=utf-8"
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        assert self.type == "application/x-ndjson"
        assert self.body.endswith(b"\n") or not self.body
        return [json.loads(line) for line in self.body.splitlines()]

    def error(self, code: str) -> str:
        """The sentence of an error that has this code; its envelope and status are as they should be."""
        envelope = self.json["error"]
        assert set(self.json) == {"error"}
        assert set(envelope) == {"code", "message", "retryable", "detail"}
        assert (envelope["code"], self.status) == (code, STATUS[code])
        assert isinstance(envelope["detail"], dict)
        assert envelope["retryable"] is (
            code in ("no_instance", "overloaded", "instance_lost", "deadline_exceeded")
        )
        sentence = envelope["message"]
        assert isinstance(sentence, str)
        assert sentence.isprintable()
        return sentence


class Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("d", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = connected(self._path)


def connected(path: str) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(PATIENCE)
    stream.connect(path)
    return stream


def ask(
    path: str, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request: `body` is sent as it is when it is bytes, else as JSON."""
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    connection = Connection(path)
    try:
        connection.request(method, target, sent, dict(headers or {}))
        answer = connection.getresponse()
        kind = answer.headers.get("Content-Type", "")
        return Answer(answer.status, kind, answer.read(), dict(answer.headers))
    finally:
        connection.close()

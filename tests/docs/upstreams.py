"""A server of models on loopback that says what it is asked, by the APIs of Ollama, OpenAI and Anthropic."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

Answer = dict[str, Any]
KEY = "sk-right"


class Refused(Exception):
    """An HTTP status, the body and a header."""

    def __init__(self, status: int, body: Answer, **headers: str) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers


TIMES = count()


def flaky() -> Answer:
    """Well every other time."""
    if next(TIMES) % 2 == 0:
        raise Refused(503, {})
    return {"well": True}


def ollama(path: str, asked: Answer) -> Answer | list[str]:
    if path == "/api/tags":
        return {"models": [{"name": "llama3.2"}, {"name": "phi3"}]}
    if asked["model"] == "none":
        raise Refused(404, {"error": "model 'none' not found"})
    if path == "/api/chat":
        said = {"role": "assistant", "content": asked["messages"][-1]["content"].upper()}
        return {"model": asked["model"], "message": said, "done": True}
    words = asked["prompt"].upper().split()
    if not asked["stream"]:
        return {"model": asked["model"], "response": " ".join(words), "done": True, "eval_count": len(words)}
    last = len(words) - 1
    pieces = ({"model": asked["model"], "response": f"{w} ", "done": n == last} for n, w in enumerate(words))
    return [json.dumps(piece) + "\n" for piece in pieces]


def openai(path: str, asked: Answer, key: str | None) -> Answer | list[str]:
    if key != f"Bearer {KEY}":
        raise Refused(401, {"error": {"message": "Incorrect API key provided"}})
    if path == "/v1/models":
        return {"data": [{"id": "gpt-4o-mini"}]}
    words = asked["messages"][-1]["content"].upper().split()
    if "SLOWLY" in words:
        raise Refused(429, {"error": {"message": "Rate limit reached"}}, **{"Retry-After": "7"})
    if not asked.get("stream"):
        message = {"role": "assistant", "content": " ".join(words)}
        return {"model": asked["model"], "choices": [{"message": message}], "usage": {"total_tokens": 9}}
    events: list[Answer] = [{"choices": [{"delta": {"content": f"{word} "}}]} for word in words]
    if words == ["BREAK", "OFF"]:
        events[1] = {"error": {"message": "too many people"}}
    return [*(f"data: {json.dumps(event)}\n\n" for event in events), "data: [DONE]\n\n"]


def anthropic(asked: Answer, key: str | None) -> Answer | list[str]:
    if key != KEY:
        raise Refused(401, {"type": "error", "error": {"message": "invalid x-api-key"}})
    words = asked["messages"][-1]["content"].upper().split()
    if "SLOWLY" in words:
        raise Refused(529, {"type": "error", "error": {"message": "Overloaded"}})
    if not asked.get("stream"):
        content = [{"type": "text", "text": " ".join(words)}]
        return {"model": asked["model"], "content": content, "usage": {"output_tokens": len(words)}}
    events = [{"type": "message_start", "message": {"model": asked["model"]}}]
    events += [
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": f"{w} "}} for w in words
    ]
    events += [{"type": "message_stop"}]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]


class _Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, asked: Answer) -> None:
        try:
            answer = self._made(asked)
        except Refused as refused:
            self._send(json.dumps(refused.body), refused.status, refused.headers)
        else:
            self._send(json.dumps(answer) if isinstance(answer, dict) else "".join(answer), 200, {})

    def _made(self, asked: Answer) -> Answer | list[str]:
        if self.path == "/flaky":
            return flaky()
        if self.path.startswith("/api/"):
            return ollama(self.path, asked)
        if self.path == "/v1/messages":
            assert self.headers["anthropic-version"]
            return anthropic(asked, self.headers["x-api-key"])
        return openai(self.path, asked, self.headers["Authorization"])

    def _send(self, text: str, status: int, headers: dict[str, str]) -> None:
        body = text.encode()
        self.send_response(status)
        kind = "application/json" if text.startswith("{") and text.count("\n") == 0 else "text/event-stream"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def upstream() -> Iterator[str]:
    """The URL of a server that is all three."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Upstream) as server:
        server.daemon_threads = True
        # Who closes it must not wait for who keeps a connection.
        server.block_on_close = False
        thread = threading.Thread(target=partial(server.serve_forever, 0.01))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

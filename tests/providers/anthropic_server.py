"""Anthropic's API as it is documented: its answers, events and errors, chosen by the name of the model.

`python -m tests.providers.anthropic_server PORT` serves it in a process that can be killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

Item = dict[str, Any]

ERRORS: dict[str, tuple[int, str, str, dict[str, str]]] = {
    "busy": (429, "rate_limit_error", "This request would exceed your rate limit", {"retry-after": "7"}),
    "full": (529, "overloaded_error", "Overloaded", {}),
    "broken": (500, "api_error", "Internal server error", {}),
    "long": (400, "invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum", {}),
    "large": (413, "request_too_large", "Request exceeds the maximum size", {}),
    "wrong": (400, "invalid_request_error", "messages.0.content: Field required", {}),
    "none": (404, "not_found_error", "model: none", {}),
    "poor": (402, "billing_error", "Your credit balance is too low", {}),
    "conflict": (409, "invalid_request_error", "Another request was first", {}),
    "unknown": (400, "invalid_request_error", "Invalid model name passed in model=unknown", {}),
    "forbidden": (403, "permission_error", "Your API key does not have permission", {}),
}
USAGE = {
    "input_tokens": 3,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 4,
    "output_tokens": 2,
}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
CITED = {"type": "char_location", "cited_text": "all", "document_index": 0}
USE = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 1, "b": 2}}


STOPS = ("max_tokens", "stop_sequence", "model_context_window_exceeded", "pause_turn")
"""Models that end for this reason."""

NAMES = {"alias": "claude-of-today"}
"""What answers in truth, by the name that it is asked for."""


class FakeAnthropic:
    """What it was asked; `left` when a caller went away in the middle of a stream."""

    def __init__(self, key: str = "sk-ant-secret") -> None:
        self.key = key
        self.asked: list[Item] = []
        self.left = asyncio.Event()
        self.lists: bool | str = True

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self.models)
        app.router.add_post("/v1/messages", self.messages)
        app.router.add_post("/v1/messages/count_tokens", self.counted)
        return app

    def _refusal(self, request: web.Request) -> web.Response | None:
        """By either header that the API takes: which one is sent depends on the client's version."""
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        shown = request.headers.get("x-api-key") or bearer
        if self.key and shown != self.key:
            return _error(401, "authentication_error", f"invalid x-api-key {shown}")
        return None

    async def models(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return refusal
        if not self.lists:
            return web.Response(status=404)
        if self.lists == "busy":
            return _error(429, "rate_limit_error", "Slow down")
        if self.lists == "hangs":
            await asyncio.sleep(3600)
        if self.lists == "page":
            return web.Response(text="<html>", content_type="text/html")
        name = "claude-b" if "after_id" in request.query else "claude-a"
        more = name == "claude-a" or self.lists == "again"
        item = {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}
        return web.json_response({"data": [item], "has_more": more, "first_id": name, "last_id": name})

    async def counted(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        return web.json_response({} if body["model"] == "empty" else {"input_tokens": 12})

    async def messages(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        body = await request.json()
        self.asked.append(body)
        if error := ERRORS.get(body["model"]):
            status, kind, message, headers = error
            return _error(status, kind, message, headers)
        match body["model"]:
            case "moved":
                return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"})
            case "html":
                return web.Response(text="<html>", content_type="text/html")
            case "empty":
                return web.json_response({})
            case "list":
                return web.json_response([1])
            case "hangs":
                await asyncio.sleep(3600)
        if body.get("stream"):
            return await self._streamed(request, body)
        blocks: list[Item] = [{"type": "text", "text": "Hi all"}]
        stopped = "end_turn"
        if body.get("tools"):
            blocks, stopped = [THOUGHT, *blocks, USE], "tool_use"
        if body["model"] == "cites":
            blocks = [{"type": "text", "text": "Hi all", "citations": [CITED]}]
        if body["model"] == "refuses":
            blocks, stopped = [], "refusal"
        if body["model"] in STOPS:
            stopped = body["model"]
        return web.json_response(_message(body, blocks, stopped))

    async def _streamed(self, request: web.Request, body: Item) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)

        async def send(kind: str, **more: Any) -> None:
            data = json.dumps({"type": kind, **more})
            await response.write(f"event: {kind}\ndata: {data}\n\n".encode())

        begun = _message(body, [], None) | {"usage": {**USAGE, "output_tokens": 1}}
        await send("message_start", message=begun)
        await send("ping")
        if body["model"] == "refuses":
            await send("message_delta", delta={"stop_reason": "refusal"}, usage={"output_tokens": 0})
            await send("message_stop")
            return response
        at = 0
        if body.get("tools"):
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            await send("content_block_start", index=0, content_block=empty)
            await send("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"})
            await send("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "sig"})
            await send("content_block_stop", index=0)
            at = 1
        await send("content_block_start", index=at, content_block={"type": "text", "text": ""})
        await send("content_block_delta", index=at, delta={"type": "text_delta", "text": ""})
        await send("content_block_delta", index=at, delta={"type": "text_delta", "text": "Hi "})
        match body["model"]:
            case "dies":
                assert request.transport
                request.transport.abort()
                return response
            case "ends":
                return response
            case "fails":
                await send("error", error={"type": "overloaded_error", "message": "Overloaded"})
                return response
            case "slow":
                try:
                    while True:
                        await asyncio.sleep(0.01)
                        delta = {"type": "text_delta", "text": "."}
                        await send("content_block_delta", index=at, delta=delta)
                finally:
                    self.left.set()
            case "cites":
                cited = {"type": "citations_delta", "citation": CITED}
                await send("content_block_delta", index=at, delta=cited)
            case "odd":
                await response.write(b"event: content_block_delta\ndata: 1\n\n")
                return response
            case "garbled":
                await response.write(b"event: content_block_delta\ndata: {\n\n")
                return response
            case "huge":
                await response.write(b"data: " + b"x" * 200_000)
        await send("content_block_delta", index=at, delta={"type": "text_delta", "text": "all"})
        await send("content_block_stop", index=at)
        stopped = "end_turn"
        if body.get("tools"):
            stopped = "tool_use"
            await send("content_block_start", index=2, content_block={**USE, "input": {}})
            for part in ('{"a": 1,', ' "b": 2}'):
                delta = {"type": "input_json_delta", "partial_json": part}
                await send("content_block_delta", index=2, delta=delta)
            await send("content_block_stop", index=2)
        end = {"stop_reason": stopped, "stop_sequence": None}
        await send("message_delta", delta=end, usage={"input_tokens": None, "output_tokens": 2})
        await send("message_stop")
        return response


def _message(body: Item, blocks: list[Item], stopped: str | None) -> Item:
    about = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": NAMES.get(body["model"], body["model"]),
    }
    return {**about, "content": blocks, "stop_reason": stopped, "stop_sequence": None, "usage": USAGE}


def _error(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return web.json_response(body, status=status, headers=headers)


if __name__ == "__main__":
    web.run_app(FakeAnthropic(key="").app(), host="127.0.0.1", port=int(sys.argv[1]), print=lambda _: None)

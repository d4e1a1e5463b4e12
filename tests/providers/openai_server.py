"""OpenAI's API as it was recorded: its answers, events and errors, chosen by the name of the model.

`python -m tests.providers.openai_server PORT` serves it in a process that can be killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

Item = dict[str, Any]

ERRORS: dict[str, tuple[int, Item, dict[str, str]]] = {
    "unpaid": (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, {}),
    "busy": (429, {"message": "Rate limit reached", "code": "rate_limit_exceeded"}, {"Retry-After": "7"}),
    "hurried": (429, {"message": "Rate limit reached"}, {"retry-after-ms": "1500", "Retry-After": "2"}),
    "dated": (429, {"message": "Rate limit reached"}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
    "long": (
        400,
        {
            "message": "This model's maximum context length is 8192 tokens.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
        {},
    ),
    "azure": (
        400,
        {
            "message": "The response was filtered due to the prompt",
            "type": None,
            "code": "content_filter",
            "innererror": {"code": "ResponsibleAIPolicyViolation"},
        },
        {},
    ),
    "missing": (
        404,
        {"message": "The model `missing` does not exist", "type": "NotFoundError", "code": 404},
        {},
    ),
    "wrong": (400, {"message": "Invalid value: 'x'.", "type": "invalid_request_error", "code": None}, {}),
    "forbidden": (403, {"message": "Project does not have access", "code": "unsupported_country"}, {}),
    "down": (503, {"message": "Overloaded", "type": "server_error"}, {"Retry-After": "3"}),
    "moved": (307, {}, {"Location": "http://127.0.0.1:9/"}),
}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
}
CALLS = [
    [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "add", "arguments": ""}}],
    [{"index": 0, "function": {"arguments": '{"a":'}}],
    [{"index": 1, "id": "call_2", "type": "function", "function": {"name": "now", "arguments": "{}"}}],
    [{"index": 0, "function": {"arguments": "1}"}}],
]


class FakeOpenAI:
    """What it was asked, with which headers; `left` when a caller went away in the middle of a stream."""

    def __init__(self, key: str = "sk-secret") -> None:
        self.key = key
        self.asked: list[Item] = []
        self.headers: list[dict[str, str]] = []
        self.left = asyncio.Event()
        self.models: Any = None
        self.raw: web.Response | None = None
        self.says: list[Any] = []
        """What it says instead: the first one, or all of them as events of a stream."""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self.listed)
        app.router.add_post("/v1/chat/completions", self.completed)
        app.router.add_post("/v1/embeddings", self.embedded)
        app.router.add_post("/v1/responses", self.responded)
        return app

    async def listed(self, request: web.Request) -> web.StreamResponse:
        if refusal := self._refusal(request):
            return refusal
        if callable(self.models):
            answer: web.StreamResponse = await self.models(request)
            return answer
        pages = {None: ("gpt-4.1", True), "gpt-4.1": ("text-embedding-3-small", False)}
        name, more = pages[request.query.get("after")]
        item = {"id": name, "object": "model", "created": 1687882411, "owned_by": "openai"}
        return web.json_response({"object": "list", "data": [item], "has_more": more})

    async def embedded(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._refused(request):
            return refusal
        vectors = [
            {"object": "embedding", "index": at, "embedding": [0.5 + at]}
            for at in reversed(range(len(self.asked[-1]["input"])))
        ]
        usage = {"prompt_tokens": 3, "total_tokens": 3}
        body = {"object": "list", "data": vectors, "model": "embed-1", "usage": usage}
        return web.json_response({} if self.asked[-1]["model"] == "bare" else body)

    async def completed(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._refused(request):
            return refusal
        body = self.asked[-1]
        if body.get("stream"):
            return await self._streamed(request, body)
        match body["model"]:
            case "bare":  # as some servers of the compatible kind answer
                return web.json_response({"choices": [{"message": {"content": "Hi all"}}]})
            case "hangs":
                await asyncio.sleep(3600)
            case "nothing":
                return web.json_response({"choices": []})
            case "held":
                choice: Item = {"message": {"role": "assistant", "content": None}}
                return web.json_response({"choices": [{**choice, "finish_reason": "content_filter"}]})
            case "html":
                return web.Response(text="<html>", content_type="text/html")
            case "garbage":
                return web.Response(body=b"\xff{", content_type="application/json")
            case "list":
                return web.json_response([1])
            case "inside":
                return web.json_response({"error": {"message": "Provider returned error", "code": 429}})
        message: Item = {"role": "assistant", "content": "Hi all", "refusal": None, "annotations": []}
        if body.get("tools"):
            calls = [{"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        finish = "tool_calls" if body.get("tools") else "stop"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": f"{body['model']}-2026",
                "choices": [choice],
                "usage": USAGE,
            }
        )

    async def _streamed(self, request: web.Request, body: Item) -> web.StreamResponse:
        response = await _sse(request)
        name = body["model"]

        async def say(delta: Item, finish: str | None = None, **more: Any) -> None:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": f"{name}-2026"}
            await response.write(_event({**chunk, "choices": [choice], **more}))

        await say({"role": "assistant", "content": "", "refusal": None}, usage=None)
        if name == "thinker":
            await say({"reasoning_content": "Hm."})
        await say({"content": "Hi "})
        match name:
            case "dies":
                assert request.transport
                request.transport.abort()
                return response
            case "slow":
                await self._forever(response, say)
            case "fails":
                await response.write(_event({"error": {"message": "out of memory", "type": "server_error"}}))
            case "limits":
                await response.write(_event({"error": {"message": "slow down", "code": "rate_limit"}}))
            case "overlong":
                error = {"message": "Your input is too long", "code": "context_length_exceeded"}
                await response.write(_event({"error": error}))
            case "garbled":
                await response.write(b"data: {\n\n")
            case "odd":
                await response.write(b"data: [1]\n\n")
            case "ends":
                await response.write(b"data: [DONE]\n\n")
            case _:
                for calls in CALLS if body.get("tools") else ():
                    await say({"tool_calls": calls})
                await say({"content": "all"})
                await say({}, "tool_calls" if body.get("tools") else "stop")
                if body.get("stream_options", {}).get("include_usage"):
                    await response.write(_event({"id": "chatcmpl-1", "choices": [], "usage": USAGE}))
                await response.write(b"data: [DONE]\n\n")
        return response

    async def responded(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._refused(request):
            return refusal
        body = self.asked[-1]
        response = _response(body)
        if not body.get("stream"):
            return web.json_response({} if body["model"] == "bare" else response)
        answer = await _sse(request)
        begun = {**response, "status": "in_progress", "output": []}
        events: list[Item] = [
            {"type": "response.created", "response": begun},
            {"type": "response.reasoning_summary_text.delta", "delta": "Hm."},
            {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": "Hi "},
            {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": "all"},
        ]
        match body["model"]:
            case "ends":
                pass
            case "fails":
                error: Item = {"code": "server_error", "message": "The model failed"}
                events.append({"type": "response.failed", "response": {**begun, "error": error}})
            case "limits":
                error = {"code": "rate_limit_exceeded", "message": "slow down", "param": None}
                events.append({"type": "error", **error})
            case _:
                events.append({"type": f"response.{response['status']}", "response": response})
        for at, event in enumerate(events):
            line = json.dumps({**event, "sequence_number": at})
            await answer.write(f"event: {event['type']}\ndata: {line}\n\n".encode())
        return answer

    async def _forever(self, response: web.StreamResponse, say: Any) -> None:
        try:
            while True:
                await asyncio.sleep(0.01)
                await say({"content": "."})
        finally:
            self.left.set()

    async def _refused(self, request: web.Request) -> web.Response | None:
        self.asked.append(await request.json())
        if self.raw is not None:
            return self.raw
        if self.says and self.asked[-1].get("stream"):
            events = b"".join(map(_event, self.says))
            return web.Response(body=events, content_type="text/event-stream")
        return web.json_response(self.says[0]) if self.says else self._refusal(request)

    def _refusal(self, request: web.Request) -> web.Response | None:
        self.headers.append(dict(request.headers))
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            given = request.headers.get("Authorization", "none").removeprefix("Bearer ")
            said = {"message": f"Incorrect API key provided: {given}.", "code": "invalid_api_key"}
            return web.json_response({"error": {**said, "type": "invalid_request_error"}}, status=401)
        name = self.asked[-1]["model"] if request.method == "POST" else ""
        if name not in ERRORS:
            return None
        status, error, headers = ERRORS[name]
        return web.json_response({"error": error}, status=status, headers=headers)


def _response(body: Item) -> Item:
    part = {"type": "output_text", "text": "Hi all", "annotations": []}
    output: list[Item] = [
        {"id": "rs_1", "type": "reasoning", "summary": []},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]},
    ]
    if body.get("tools"):
        call = {"id": "fc_1", "call_id": "call_1", "name": "add", "arguments": "{}", "status": "completed"}
        output = [{"type": "function_call", **call}]
    status, details = "completed", None
    if body["model"] in ("short", "held"):
        reason = "max_output_tokens" if body["model"] == "short" else "content_filter"
        status, details = "incomplete", {"reason": reason}
    if body["model"] == "held":
        output = []
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "error": None,
        "incomplete_details": details,
        "model": f"{body['model']}-2026",
        "output": output,
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    }


async def _sse(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    return response


def _event(data: Item) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


if __name__ == "__main__":
    web.run_app(FakeOpenAI(key="").app(), host="127.0.0.1", port=int(sys.argv[1]), print=lambda _: None)

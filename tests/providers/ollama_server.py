"""Ollama's API as it is documented, with one model that knows two words; another name says how it fails.

`python -m tests.providers.ollama_server PORT` serves it in a process that can be killed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from aiohttp import web

NOW = "2026-11-23T00:00:00Z"
DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "1B",
    "quantization_level": "Q4_0",
}
SMALL = {"name": "small", "model": "small", "size": 9, "digest": "d" * 64, "details": DETAILS}

MISSING = "pull model manifest: file does not exist"
PULL_ERRORS = {
    "new": "pull model manifest: 412: The model requires a newer version of Ollama.",
    "full": "write /models/blobs/d-partial: no space left on device",
    "private": "pull model manifest: unauthorized",
    "licensed": "pull model manifest: denied: requested access to the resource",
    "often": "pull model manifest: 429: too many requests",
    "lost": 'pull model manifest: Get "https://models.example/v2/": dial tcp: lookup: no such host',
    "secret": "max retries exceeded: pass-word",
}
"""What it says in the middle of a pull, by the model that is to be fetched."""


class FakeOllama:
    """Knows the model `small`; a model with another name says how it fails."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.left = asyncio.Event()
        self.hangs = False

    async def tags(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.sleep(3600)
        return web.json_response({"models": [{**SMALL, "modified_at": NOW}]})

    async def running(self, request: web.Request) -> web.Response:
        return web.json_response({"models": [{**SMALL, "expires_at": NOW, "size_vram": 9}]})

    async def show(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["model"] != "small":
            return web.json_response({"error": f"model '{body['model']}' not found"}, status=404)
        about = {"license": "MIT", "modelfile": "FROM small", "template": "{{ .Prompt }}"}
        more = {"details": DETAILS, "model_info": {"general.architecture": "llama"}}
        able = {"capabilities": ["completion"]}
        return web.json_response({**about, **more, **able, "modified_at": NOW})

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        match body["model"]:
            case "none":
                return web.json_response({"error": 'model "none" not found'}, status=404)
            case "busy":
                return web.json_response({"error": "slow down"}, status=429, headers={"Retry-After": "7"})
            case "garbage":
                return web.Response(body=b"\xff<html>\n")
            case "list":
                return web.json_response([1])
            case "empty":
                return web.json_response({})
            case "long":
                error = "the input length exceeds the context length"
                return web.json_response({"error": error}, status=400)
            case "secret":
                return web.json_response({"error": "unauthorized"}, status=401)
            case "no page":  # what its router says of a path that it has not
                return web.Response(status=404, text="404 page not found")
            case "moved":
                return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"})
            case "hangs":
                await asyncio.sleep(3600)
        if request.path == "/api/embed":
            return web.json_response({"model": "small", "embeddings": [[0.5]], "prompt_eval_count": 1})
        return await self._said(request, body)

    async def _said(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        end = {
            "model": body["model"],
            "created_at": NOW,
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "eval_count": 2,
        }
        if not body.get("stream", True):
            return web.json_response({**end, **_word(request, "Hi all", _calls(body))})
        response = web.StreamResponse()
        await response.prepare(request)
        if body["model"] == "huge":
            await response.write(b"x" * 200_000)
        await response.write(_line({"model": body["model"], "done": False, **_word(request, "Hi ")}))
        match body["model"]:
            case "dies":
                assert request.transport
                request.transport.abort()
                return response
            case "slow":
                try:
                    while True:
                        await asyncio.sleep(0.01)
                        await response.write(_line({"model": "slow", "done": False, **_word(request, ".")}))
                finally:
                    self.left.set()
            case "fails":
                await response.write(_line({"error": "out of memory"}))
            case "ends":
                pass
            case _:
                if calls := _calls(body):
                    message = {"role": "assistant", "content": "", "tool_calls": calls}
                    await response.write(_line({"model": "small", "done": False, "message": message}))
                await response.write(_line({**end, **_word(request, "all")}))
        return response

    async def pull(self, request: web.Request) -> web.Response:
        lines: list[dict[str, Any]] = [
            {"status": "pulling manifest"},
            {"status": "pulling d", "digest": "d", "total": 9, "completed": 4},
            {"status": "success"},
        ]
        body = await request.json()
        if body["model"] == "half":
            lines = lines[:2]
        elif body["model"] != "small":
            lines = [lines[0], {"error": PULL_ERRORS.get(body["model"], MISSING)}]
        if not body.get("stream", True):
            return web.json_response(lines[-1])
        return web.Response(body=b"".join([_line(line) for line in lines]))

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/tags", self.tags)
        app.router.add_get("/api/ps", self.running)
        app.router.add_post("/api/show", self.show)
        app.router.add_post("/api/pull", self.pull)
        for path in ("generate", "chat", "embed"):
            app.router.add_post(f"/api/{path}", self.answer)
        return app


def _calls(body: dict[str, Any]) -> list[Any]:
    """Ollama has the arguments as an object; its older versions give no id."""
    call = {"function": {"name": "add", "arguments": {"a": 1}}}
    return [call, {"id": "call_own", **call}] if body.get("tools") else []


def _word(request: web.Request, text: str, calls: list[Any] | None = None) -> dict[str, Any]:
    if request.path == "/api/chat":
        asks = {"tool_calls": calls} if calls else {}
        return {"message": {"role": "assistant", "content": text, "thinking": "hm", **asks}}
    return {"response": text}


def _line(item: dict[str, Any]) -> bytes:
    return json.dumps(item).encode() + b"\n"


if __name__ == "__main__":
    web.run_app(FakeOllama().app(), host="127.0.0.1", port=int(sys.argv[1]), print=lambda _: None)

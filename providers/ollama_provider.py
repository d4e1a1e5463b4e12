"""The models of an Ollama server, by its HTTP API."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from urllib.parse import urlsplit

from gleitzeit_extensions import CallError, InvalidRequest, SocketIOProviderClient, Unavailable, idempotent
from providers import ollama_shapes as shapes
from providers.openai_shapes import Item
from providers.upstream import HEALTH_WITHIN, LONGEST_REFUSAL, Upstream

Options = dict[str, Any]
"""Whatever Ollama knows, such as `num_ctx`, `top_p`, `seed` and `stop`."""

_HOPELESS = re.compile(r"manifest: 4(?!08|29)\d\d|unauthorized|denied|insecure protocol|no space left")
"""What a registry or the disk says that will not change by itself, such as that Ollama is too old."""


class OllamaProvider(SocketIOProviderClient):
    """The models of an Ollama server, on this machine or another."""

    checks_config = True
    discovery_interval = 60.0

    def __init__(
        self,
        *,
        url: str = "http://localhost:11434",
        default_model: str = "",
        keep_alive: str | float | None = None,
        **kwargs: Any,
    ) -> None:
        """Nothing is asked before the first call.

        Args:
            url: Where the server is.
            default_model: Answers calls that name none; unless given, the first one that was discovered.
            keep_alive: How long a model stays in memory after a call: `5m`, 0, or -1 for ever; unless given,
                as long as the server keeps it.
        """
        kwargs.setdefault("provider_type", "llm")
        kwargs.setdefault("capabilities", ["text", "chat", "streaming", "embeddings"])
        kwargs.setdefault("description", "Local models of an Ollama server")
        super().__init__(**kwargs)
        if not urlsplit(url).hostname:
            raise ValueError("url is no plain URL: write it like http://localhost:11434")
        self._ollama = Upstream("Ollama", url)
        self._default, self._keep_alive = default_model, keep_alive

    @idempotent
    async def generate(
        self,
        prompt: str,
        model: str | None = None,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        think: bool | str | None = None,
        format: str | Item | None = None,
        options: Options | None = None,
    ) -> Item:
        """What a model makes of a prompt: `{text, model, usage, finish_reason}`.

        Args:
            prompt: what it is asked
            system: how it is to answer, instead of what its Modelfile says
            max_tokens: how long the answer may be
            think: whether it thinks first; or how hard: low, medium, high
            format: `json`, or the JSON Schema of the answer
            options: whatever else Ollama knows, such as num_ctx, top_p and seed
        """
        own = Item(prompt=prompt, system=system, think=think, format=format)
        body = self._body(model, max_tokens, temperature, options, **own)
        answer = await self._asked("/api/generate", body)
        return {"text": self._has(answer, "response", str), **_ending(answer, body)}

    @idempotent
    async def chat(
        self,
        messages: list[Item],
        model: str | None = None,
        tools: list[Item] | None = None,
        think: bool | str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        format: str | Item | None = None,
        options: Options | None = None,
    ) -> Item:
        """The next message of a conversation: `{message, model, usage, finish_reason}`.

        Args:
            messages: each has a role and content, in the shape of the other providers or in Ollama's own
            tools: functions that the model may ask for, in `message.tool_calls`
            think: whether it thinks first, in `message.thinking`; or how hard: low, medium, high
            format: `json`, or the JSON Schema of the answer
        """
        own = Item(messages=shapes.asked(messages), tools=tools, think=think, format=format)
        body = self._body(model, max_tokens, temperature, options, **own)
        answer = await self._asked("/api/chat", body)
        message = self._has(answer, "message", dict)
        asks = _asks(shapes.tool_calls(message))
        return {"message": {**message, **asks}, **_ending(answer, body, asks)}

    @idempotent
    async def stream(
        self,
        prompt: str | None = None,
        messages: list[Item] | None = None,
        model: str | None = None,
        system: str | None = None,
        tools: list[Item] | None = None,
        think: bool | str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        format: str | Item | None = None,
        options: Options | None = None,
    ) -> AsyncIterator[Item]:
        """Token by token, for a prompt or messages: `{token, done, model}`; the last has `usage`.

        The last item is done, with `finish_reason`, and `tool_calls` when the model asks for functions.
        Others may have `thinking`.
        """
        if (prompt is None) == (messages is None):
            raise InvalidRequest("stream takes either a prompt or messages")
        # `/api/generate` knows no tools.
        asked = [{"role": "user", "content": prompt}] if messages is None else shapes.asked(messages)
        told = [] if system is None else [{"role": "system", "content": system}]
        own = Item(messages=[*told, *asked], tools=tools, think=think, format=format)
        body, calls = self._body(model, max_tokens, temperature, options, **own), list[Item]()
        async with aclosing(self._pieces("/api/chat", body)) as pieces:
            async for piece in pieces:
                said, done = self._has(piece, "message", dict), piece.get("done") is True
                calls += shapes.tool_calls(said)
                thought = {"thinking": said["thinking"]} if said.get("thinking") else {}
                asks = _asks(calls) if done else {}
                end = _ending(piece, body, asks) if done else {"model": piece.get("model") or body["model"]}
                if done or thought or said.get("content"):
                    yield {"token": said.get("content") or "", "done": done, **thought, **asks, **end}
                if done:
                    return
        raise Unavailable("Ollama ended a stream before it was done")

    @idempotent
    async def embed(
        self, input: str | list[str], model: str | None = None, options: Options | None = None
    ) -> Item:
        """One vector for each text: `{embeddings, model, usage}`."""
        body = self._body(model, None, None, options, input=input)
        answer = await self._asked("/api/embed", body)
        usage = {"input_tokens": answer.get("prompt_eval_count") or 0, "output_tokens": 0}
        vectors = self._has(answer, "embeddings", list)
        return {"embeddings": vectors, "model": answer.get("model") or body["model"], "usage": usage}

    async def pull(self, model: str) -> AsyncIterator[Item]:
        """Fetch a model: `{status, done}`, and `completed` of `total` bytes of `digest` as they come."""
        async with aclosing(self._pieces("/api/pull", {"model": model})) as pieces:
            async for piece in pieces:
                done = piece.get("status") == "success"
                known: Item = {key: piece[key] for key in ("digest", "total", "completed") if key in piece}
                yield {"status": str(piece.get("status", "")), "done": done, **known}
                if done:
                    self.models = await self.discover_models()
                    return
        raise Unavailable(f'Ollama ended the pull of "{model}" before it was done: pull again, it goes on')

    @idempotent
    async def show(self, model: str) -> Item:
        """What Ollama knows of a model: its details, template, parameters and capabilities."""
        return await self._asked("/api/show", {"model": model})

    @idempotent
    async def running(self) -> list[Item]:
        """The models in memory, with their sizes in bytes and when they leave it."""
        return self._items(await self._ollama.json("GET", "/api/ps"))

    async def discover_models(self) -> list[str]:
        return await self._tags(None)

    async def get_health_status(self) -> Item:
        """A restart would not help a server that is down: it is given no calls instead."""
        try:
            models = await self._tags(HEALTH_WITHIN)
        except CallError as exc:
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True, "metrics": {"models": len(models)}}

    async def on_disconnected(self) -> None:
        await self._ollama.close()

    async def _tags(self, within: float | None) -> list[str]:
        names = [
            item.get("name")
            for item in self._items(await self._ollama.json("GET", "/api/tags", None, within))
        ]
        return [name for name in names if isinstance(name, str)]

    def _items(self, answer: Any) -> list[Item]:
        return [item for item in self._has(answer, "models", list) or [] if isinstance(item, dict)]

    def _body(
        self,
        model: str | None,
        max_tokens: int | None,
        temperature: float | None,
        options: Options | None,
        **own: Any,
    ) -> Item:
        """What is not given is left out, so that what the Modelfile says counts."""
        name = model or self._default or next(iter(self.models), "")
        if not name:
            raise InvalidRequest("say which model: Ollama has none yet; `pull` fetches one")
        known = {"num_predict": max_tokens, "temperature": temperature}
        merged = {**(options or {}), **{key: value for key, value in known.items() if value is not None}}
        body = {"options": merged or None, "keep_alive": self._keep_alive, **own}
        return {"model": name, **{key: value for key, value in body.items() if value is not None}}

    async def _asked(self, path: str, body: Item) -> Item:
        try:
            answer = await self._ollama.json("POST", path, {**body, "stream": False})
        except InvalidRequest as exc:
            raise _with_a_way_out(exc, body["model"]) from exc
        if not isinstance(answer, dict):
            raise self._ollama.failed(f"answered {path} with no object")
        return answer

    async def _pieces(self, path: str, body: Item) -> AsyncGenerator[Item, None]:
        try:
            async with self._ollama.ask("POST", path, {**body, "stream": True}) as answer:
                async for line in self._ollama.lines(answer):
                    if not line.strip():
                        continue
                    piece = self._ollama.parsed(line)
                    if not isinstance(piece, dict):
                        raise self._ollama.failed(f"sent a line that is no object in answer to {path}")
                    if "error" in piece:
                        said = self._ollama.without_keys(str(piece["error"]))
                        raise _broke_off(said[:LONGEST_REFUSAL], body["model"])
                    yield piece
        except InvalidRequest as exc:
            raise _with_a_way_out(exc, body["model"]) from exc

    def _has(self, answer: Any, key: str, kind: type) -> Any:
        value = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(value, kind):
            raise self._ollama.failed(f'answered without "{key}"')
        return value


def _asks(calls: list[Item]) -> Item:
    return {"tool_calls": calls} if calls else {}


def _ending(answer: Item, body: Item, asks: Item | None = None) -> Item:
    usage = {
        "input_tokens": answer.get("prompt_eval_count") or 0,
        "output_tokens": answer.get("eval_count") or 0,
    }
    finish = "tool_calls" if asks else answer.get("done_reason") or "stop"
    return {"model": answer.get("model") or body["model"], "usage": usage, "finish_reason": finish}


def _with_a_way_out(refused: InvalidRequest, model: str) -> CallError:
    if "page not found" in refused.message:
        return CallError("provider_error", f"{refused.message} (is its url right?)")
    if "not found" not in refused.message:
        return refused
    return CallError("not_found.model", f'{refused.message}: `pull` with model "{model}" fetches it')


def _broke_off(why: str, model: str) -> CallError:
    """An error in the middle of an answer: whether another call may have more luck."""
    if "file does not exist" in why or "not found" in why:
        return CallError("not_found.model", f'Ollama: there is no model "{model}" to be fetched: {why}')
    if _HOPELESS.search(why):
        return CallError("provider_error", f"Ollama: {why}")
    return Unavailable(f"Ollama: {why}")

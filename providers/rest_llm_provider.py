"""The models of any HTTP API that the config file describes: JSON in, and JSON, NDJSON or SSE out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import quote, urlsplit

from gleitzeit_extensions import CallError, InvalidRequest, SocketIOProviderClient, Unavailable, idempotent
from providers import rest_llm_description as description
from providers import rest_llm_path, rest_llm_template
from providers.rest_llm_description import Described, Methods, ModelList, Streaming
from providers.upstream import HEALTH_WITHIN, LONGEST_REFUSAL, Upstream

Item = dict[str, Any]

_found = rest_llm_path.found

CAPABILITIES = {"generate": "text", "chat": "chat", "stream": "streaming", "embed": "embeddings"}


class RestLLMProvider(SocketIOProviderClient):
    """The models of any HTTP API that the config describes: TGI, llama.cpp, Cohere, one of your own."""

    checks_config = True

    def __init__(
        self,
        *,
        url: str,
        methods: Methods,
        headers: dict[str, str] | None = None,
        default_model: str = "",
        model_list: ModelList | None = None,
        health: str = "",
        error: str = "error",
        **kwargs: Any,
    ) -> None:
        """Nothing is asked before the first call. A description that cannot be meant is told at the start.

        Args:
            url: Where the API is, such as `http://localhost:8080/v1`; the paths are added to it.
            methods: What it can do: any of `generate`, `chat`, `stream` and `embed`, see below.
            headers: Sent with each request, such as `Authorization: Bearer ${API_KEY}`. They are never told.
            default_model: Answers calls that name no model, where the API wants one.
            model_list: Where its models are listed: `path`, and `names` as the place in the answer.
            health: A path that is answered with 200 while it is well; else `model_list` is looked at.
            error: Where an answer, or a piece of a stream, says what went wrong.
        """
        described = description.described(methods)
        kwargs.setdefault("provider_type", "llm")
        kwargs.setdefault("capabilities", [CAPABILITIES[name] for name in described])
        kwargs.setdefault("description", "Models of an HTTP API")
        super().__init__(**kwargs)
        if not urlsplit(url).hostname:
            raise ValueError(f'config.url is "{url:.100}": write it like http://localhost:8080')
        self._upstream = Upstream(self.name, url, headers)
        self._described, self._default = described, default_model
        self._health = description.url_path(health, "config.health") if health else ""
        self._error = rest_llm_path.parsed(error, "config.error")
        self._list = model_list
        if model_list:
            description.url_path(model_list.path, "config.model_list.path")
            self._names = rest_llm_path.parsed(model_list.names, "config.model_list.names")
        # The methods of a class are what the hub is told, so this one gets a class without the others.
        hidden = {name: None for name in CAPABILITIES if name not in described}
        self.__class__ = cast(type[RestLLMProvider], type(type(self).__name__, (type(self),), hidden))

    @idempotent
    async def generate(
        self,
        prompt: str,
        model: str | None = None,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> Item:
        """What a model makes of a prompt: `{text, model, usage, finish_reason}`.

        Args:
            prompt: what it is asked
            system: how it is to answer
            max_tokens: how long the answer may be
            options: further arguments, as far as the body in the config has a place for them
        """
        given = Item(prompt=prompt, system=system, max_tokens=max_tokens, temperature=temperature)
        how, path, body, name = self._request("generate", given, model, options)
        answer = await self._answer(path, body)
        return {"text": self._text(how, answer), **_ending(how, answer, name)}

    @idempotent
    async def chat(
        self,
        messages: list[Item],
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> Item:
        """The next message of a conversation: `{message, model, usage, finish_reason}`.

        Args:
            messages: each has a role and content; they are passed on as they are
            max_tokens: how long the answer may be
            options: further arguments, as far as the body in the config has a place for them
        """
        given = Item(messages=messages, max_tokens=max_tokens, temperature=temperature)
        how, path, body, name = self._request("chat", given, model, options)
        answer = await self._answer(path, body)
        message = {"role": "assistant", "content": self._text(how, answer)}
        return {"message": message, **_ending(how, answer, name)}

    @idempotent
    async def stream(
        self,
        prompt: str | None = None,
        messages: list[Item] | None = None,
        model: str | None = None,
        system: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> AsyncIterator[Item]:
        """Token by token, for a prompt or messages: `{token, done, model}`; the last has `usage`.

        The last item is done, with `finish_reason`.
        """
        if (prompt is None) == (messages is None):
            raise InvalidRequest("stream takes either a prompt or messages")
        given = Item(prompt=prompt, messages=messages, system=system)
        given |= {"max_tokens": max_tokens, "temperature": temperature}
        how, path, body, name = self._request("stream", given, model, options)
        known: Item = {}
        async with aclosing(self._pieces(how, path, body)) as pieces:
            async for piece in pieces:
                known |= {key: value for key, at in how.places.items() if (value := _found(piece, at))}
                if token := _joined(_found(piece, how.places["text"])):
                    yield {"token": token, "done": False, "model": _told(known, name)["model"]}
        yield {"token": "", "done": True, **_told(known, name)}

    @idempotent
    async def embed(
        self, input: str | list[str], model: str | None = None, options: Item | None = None
    ) -> Item:
        """One vector for each text: `{embeddings, model, usage}`.

        Args:
            options: further arguments, as far as the body in the config has a place for them
        """
        texts = [input] if isinstance(input, str) else input
        how, path, body, name = self._request("embed", {"input": texts}, model, options)
        answer = await self._answer(path, body)
        vectors = _found(answer, how.places["embeddings"])
        if isinstance(vectors, list) and vectors and not isinstance(vectors[0], list):
            vectors = [vectors]
        if not isinstance(vectors, list) or len(vectors) != len(texts):
            raise self._upstream.failed("answered without a vector for each text where `embeddings` points")
        ending = _ending(how, answer, name)
        return {"embeddings": vectors, "model": ending["model"], "usage": ending["usage"]}

    async def discover_models(self) -> list[str]:
        return await self._models(None) if self._list else self.models

    async def get_health_status(self) -> Item:
        """A restart would not help a server that is down: it is given no calls instead."""
        try:
            if self._health:
                async with self._upstream.ask("GET", self._health, None, HEALTH_WITHIN):
                    return {"healthy": True}
            if self._list:
                return {"healthy": True, "metrics": {"models": len(await self._models(HEALTH_WITHIN))}}
        except CallError as exc:
            return {"healthy": True, "status": "degraded", "reason": exc.message}
        return {"healthy": True}

    async def on_disconnected(self) -> None:
        await self._upstream.close()

    def _request(
        self, kind: str, given: Item, model: str | None, options: Item | None
    ) -> tuple[Described, str, Item, str]:
        """How it is asked: its description, path, body, and the name of the model."""
        how = self._described[kind]
        values = {key: value for key, value in given.items() if value is not None}
        if "prompt" in values and "prompt" not in how.takes:
            system = values.pop("system", None) if "system" not in how.takes else None
            values["messages"] = _messages(values.pop("prompt"), system)
        values |= {f"{rest_llm_template.OPTION}{key}": value for key, value in (options or {}).items()}
        if unknown := values.keys() - how.takes:
            name = min(unknown).removeprefix(rest_llm_template.OPTION)
            raise InvalidRequest(f'"{kind}" of "{self.name}" takes no {name:.100}: {_takes(how)}')
        name = self._model(model, how)
        values["model"] = name or None
        path = how.request.path.replace("{model}", quote(name, safe=""))
        return how, path, rest_llm_template.filled(how.request.body, values), name

    def _model(self, given: str | None, how: Described) -> str:
        only = self.models[0] if len(self.models) == 1 else ""
        name = given or self._default or only
        if "model" in how.takes and not name:
            raise InvalidRequest(f'say which model: "{self.name}" has no default_model')
        if name in (".", "..") or not name.isprintable():
            raise InvalidRequest(f"{name!r:.100} is no name of a model")
        return name

    async def _answer(self, path: str, body: Item) -> Any:
        return self._unless_failed(await self._upstream.json("POST", path, body))

    async def _pieces(self, how: Described, path: str, body: Item) -> AsyncGenerator[Any, None]:
        """What is streamed, until it says that it is done."""
        asked = cast(Streaming, how.request)
        async with self._upstream.ask("POST", path, body) as answer:
            read = self._upstream.events if asked.format == "sse" else self._upstream.lines
            async for data in read(answer):
                if asked.end is not None and data.strip() == asked.end.encode():
                    return
                if data.strip():
                    piece = self._unless_failed(self._upstream.parsed(data))
                    yield piece
                    if "done" in how.places and _found(piece, how.places["done"]):
                        return
        if asked.end is not None or asked.done is not None:
            raise Unavailable(f'"{self.name}" ended a stream before it was done')

    def _unless_failed(self, answer: Any) -> Any:
        if said := _found(answer, self._error):
            text = said.get("message") if isinstance(said, dict) else said
            raise Unavailable(self._upstream.without_keys(f"{self.name}: {text or said}")[:LONGEST_REFUSAL])
        return answer

    def _text(self, how: Described, answer: Any) -> str:
        text = _joined(_found(answer, how.places["text"]))
        if text is None:
            raise self._upstream.failed("answered without a text where `text` points")
        return text

    async def _models(self, within: float | None) -> list[str]:
        assert self._list
        answer = await self._upstream.json("GET", self._list.path, None, within)
        names = _found(answer, self._names)
        if not isinstance(names, list):
            raise self._upstream.failed("answered without a list of names where `model_list.names` points")
        return [name for name in names if isinstance(name, str)]


def _messages(prompt: str, system: str | None) -> list[Item]:
    said = [{"role": "system", "content": system}] if system is not None else []
    return [*said, {"role": "user", "content": prompt}]


def _takes(how: Described) -> str:
    known = ", ".join(sorted(name.removeprefix(rest_llm_template.OPTION) for name in how.takes))
    return f"its body in the config has places for {known}"


def _joined(text: Any) -> str | None:
    """A text, or one that comes in parts."""
    if isinstance(text, list) and all(isinstance(part, str) for part in text):
        return "".join(text)
    return text if isinstance(text, str) else None


def _ending(how: Described, answer: Any, model: str) -> Item:
    return _told({key: _found(answer, at) for key, at in how.places.items()}, model)


def _told(known: Item, model: str) -> Item:
    counts = {key: known.get(key) for key in ("input_tokens", "output_tokens")}
    usage = {key: count if isinstance(count, int) else 0 for key, count in counts.items()}
    finish, name = known.get("finish_reason"), known.get("model")
    return {
        "model": name if isinstance(name, str) else model,
        "usage": usage,
        "finish_reason": finish if isinstance(finish, str) else "stop",
    }

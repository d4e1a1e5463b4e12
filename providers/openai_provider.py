"""The models of OpenAI and of servers that speak its API, by its own client library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.util import find_spec
from typing import Any

from gleitzeit_extensions import (
    ContentFiltered,
    InvalidRequest,
    Unavailable,
    idempotent,
)
from providers import openai_shapes as shapes
from providers.hosted import HostedModels, given
from providers.openai_api import OpenAIAPI
from providers.openai_shapes import Item

OPENAI = "https://api.openai.com/v1"


class OpenAIProvider(HostedModels):
    """The models of OpenAI, or of any server with its API: vLLM, llama.cpp, LM Studio, OpenRouter."""

    checks_config = True
    _api: OpenAIAPI

    def __init__(
        self,
        *,
        api_key: str = "",
        base_url: str = OPENAI,
        default_model: str = "",
        embedding_model: str = "",
        organization: str = "",
        project: str = "",
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        """Nothing is asked, and no package is loaded, before the first call.

        Args:
            api_key: The key, as `${OPENAI_API_KEY}`. OpenAI needs one; without it none is sent, as servers of
                your own need none. The variable itself is never looked at.
            base_url: Where the API is, up to and with its `/v1`, such as `http://localhost:8000/v1`.
            default_model: Answers calls that name no model. A server that has just one needs none.
            embedding_model: The same for `embed`, which other models cannot do.
            organization: Who pays, where a key belongs to several organizations of OpenAI.
            project: The project of OpenAI that is charged, where a key belongs to several.
            headers: Sent with each request, such as the `HTTP-Referer` and `X-Title` of OpenRouter.
        """
        kwargs.setdefault("provider_type", "llm")
        kwargs.setdefault("capabilities", ["text", "chat", "streaming", "embeddings", "tools"])
        kwargs.setdefault("description", "Models of OpenAI, or of a server with its API")
        super().__init__(**kwargs)
        if find_spec("openai") is None:
            raise ImportError("needs the package openai: pip install 'gleitzeitd[openai]'")
        self._api = OpenAIAPI(base_url, api_key.strip(), organization, project, headers or {})
        self._default, self._embedding = default_model, embedding_model

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
            options: whatever else the API knows, such as top_p, seed, stop, response_format
        """
        said = await self.chat(_messages(prompt, system), model, None, max_tokens, temperature, options)
        return {"text": shapes.text(said.pop("message").get("content")), **said}

    @idempotent
    async def chat(
        self,
        messages: list[Item],
        model: str | None = None,
        tools: list[Item] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> Item:
        """The next message of a conversation: `{message, model, usage, finish_reason}`.

        Args:
            messages: each has a role and content; images, tool_calls and results of tools are passed on
            tools: functions that the model may ask for, in `message.tool_calls`
            max_tokens: how long the answer may be
            options: whatever else the API knows, such as tool_choice, reasoning_effort, top_p, seed
        """
        body = self._chat(messages, model, tools, max_tokens, temperature, options)
        answer = await self._api.post("/chat/completions", body)
        choice = shapes.choice(answer)
        message, finish = choice.get("message"), shapes.word(choice, "finish_reason", "stop")
        if not isinstance(message, dict):
            raise self._api.failed("answered without a message")
        if finish == "content_filter" and not message.get("content"):
            raise self._held_back()
        end = {"usage": shapes.usage(answer.get("usage")), "finish_reason": finish}
        return {"message": message, "model": shapes.word(answer, "model", body["model"]), **end}

    @idempotent
    async def stream(
        self,
        prompt: str | None = None,
        messages: list[Item] | None = None,
        model: str | None = None,
        system: str | None = None,
        tools: list[Item] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> AsyncIterator[Item]:
        """Token by token, for a prompt or messages: `{token, done, model}`; the last has `usage`.

        The last item is done, with `finish_reason`, and `tool_calls` when the model asks for functions.
        Others may have `thinking`.
        """
        if (prompt is None) == (messages is None):
            raise InvalidRequest("stream takes either a prompt or messages")
        asked = [*_told(system), *(messages if messages is not None else _messages(prompt or "", None))]
        body = self._chat(asked, model, tools, max_tokens, temperature, options)
        # Servers count only when they are asked; None in the options spares one that does not know it.
        if "stream_options" not in (options or {}):
            body["stream_options"] = {"include_usage": True}
        calls, counted, finish, name = shapes.ToolCalls(), None, "", body["model"]
        is_heard = False
        async with aclosing(self._api.events("/chat/completions", body)) as pieces:
            async for piece in pieces:
                choice = shapes.choice(piece)
                delta = shapes.as_dict(choice.get("delta"))
                name, counted = shapes.word(piece, "model", name), piece.get("usage") or counted
                finish = shapes.word(choice, "finish_reason", finish)
                calls.add(delta.get("tool_calls"))
                token, thought = shapes.text(delta.get("content")), shapes.thinking(delta)
                is_heard = is_heard or bool(token)
                if token or thought:
                    yield {"token": token, "done": False, "model": name, **thought}
        if not finish:
            raise Unavailable(f"{self._api.who} ended a stream before it was done")
        if finish == "content_filter" and not is_heard:
            raise self._held_back()
        asks = {"tool_calls": whole} if (whole := calls.whole()) else {}
        end = {"usage": shapes.usage(counted), "finish_reason": finish}
        yield {"token": "", "done": True, "model": name, **asks, **end}

    @idempotent
    async def embed(
        self, input: str | list[str], model: str | None = None, options: Item | None = None
    ) -> Item:
        """One vector for each text: `{embeddings, model, usage}`.

        Args:
            options: whatever else the API knows, such as dimensions
        """
        name = model or self._embedding
        if not name:
            raise InvalidRequest("say which model: this provider has no embedding_model")
        answer = await self._api.post(
            "/embeddings", given({**(options or {}), "model": name, "input": input})
        )
        vectors = shapes.vectors(answer)
        if not vectors:
            raise self._api.failed("answered without a vector")
        usage = shapes.usage(answer.get("usage"))
        return {"embeddings": vectors, "model": shapes.word(answer, "model", name), "usage": usage}

    @idempotent
    async def respond(
        self,
        input: str | list[Item],
        model: str | None = None,
        instructions: str | None = None,
        tools: list[Item] | None = None,
        previous_response_id: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> Item:
        """An answer of the Responses API: `{id, text, output, model, usage, finish_reason}`.

        Args:
            input: a prompt, or items such as messages and function_call_output
            instructions: how it is to answer
            tools: functions that the model may ask for, in `output`, and tools of OpenAI's own
            previous_response_id: the answer that this goes on from
            max_tokens: how long the answer may be
            options: whatever else the API knows, such as reasoning, store, include
        """
        body = self._response(
            input, model, instructions, tools, previous_response_id, max_tokens, temperature, options
        )
        answer = await self._api.post("/responses", body)
        if not isinstance(answer.get("output"), list):
            raise self._api.failed("answered without an output")
        return self._unfiltered(shapes.responded(answer, body["model"]))

    @idempotent
    async def respond_stream(
        self,
        input: str | list[Item],
        model: str | None = None,
        instructions: str | None = None,
        tools: list[Item] | None = None,
        previous_response_id: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> AsyncIterator[Item]:
        """The same token by token: `{token, done, model}`; the last has all that `respond` gives but `text`.

        Items may have `thinking`.
        """
        body = self._response(
            input, model, instructions, tools, previous_response_id, max_tokens, temperature, options
        )
        async with aclosing(self._api.events("/responses", body)) as events:
            async for event in events:
                said = shapes.word(event, "delta", "")
                response = shapes.as_dict(event.get("response"))
                match event.get("type"):
                    case "response.output_text.delta":
                        yield {"token": said, "done": False, "model": body["model"]}
                    case "response.reasoning_text.delta" | "response.reasoning_summary_text.delta":
                        yield {"token": "", "done": False, "model": body["model"], "thinking": said}
                    case "response.completed" | "response.incomplete":
                        end = self._unfiltered(shapes.responded(response, body["model"]))
                        del end["text"]
                        yield {"token": "", "done": True, **end}
                        return
                    case "response.failed":
                        raise self._api.refused(None, response.get("error"))
                    case "error":
                        raise self._api.refused(None, event)
        raise Unavailable(f"{self._api.who} ended a stream before it was done")

    def _chat(
        self,
        messages: list[Item],
        model: str | None,
        tools: list[Item] | None,
        max_tokens: int | None,
        temperature: float | None,
        options: Item | None,
    ) -> Item:
        # OpenAI's newer models refuse the older name, which is the one that all other servers know.
        limit = "max_completion_tokens" if self._api.is_openai else "max_tokens"
        own = {"model": self._model(model), "messages": messages, "tools": tools or None}
        return given({**(options or {}), **given({**own, limit: max_tokens, "temperature": temperature})})

    def _response(
        self,
        input: str | list[Item],
        model: str | None,
        instructions: str | None,
        tools: list[Item] | None,
        previous: str | None,
        max_tokens: int | None,
        temperature: float | None,
        options: Item | None,
    ) -> Item:
        own = {"model": self._model(model), "input": input, "tools": tools or None}
        known = {"instructions": instructions, "previous_response_id": previous}
        how = {"max_output_tokens": max_tokens, "temperature": temperature}
        return given({**(options or {}), **given({**own, **known, **how})})

    def _unfiltered(self, answer: Item) -> Item:
        if answer["finish_reason"] == "content_filter" and not answer["text"]:
            raise self._held_back()
        return answer

    def _held_back(self) -> ContentFiltered:
        return ContentFiltered(f"{self._api.who} held its answer back: it did not pass its filter")


def _messages(prompt: str, system: str | None) -> list[Item]:
    return [*_told(system), {"role": "user", "content": prompt}]


def _told(system: str | None) -> list[Item]:
    return [] if system is None else [{"role": "system", "content": system}]

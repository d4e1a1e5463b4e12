"""Anthropic's Claude models, by its own client library."""

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
from providers import anthropic_shapes as shapes
from providers.anthropic_api import AnthropicAPI
from providers.hosted import HostedModels, given
from providers.openai_shapes import Item, word

ANTHROPIC = "https://api.anthropic.com"


class AnthropicProvider(HostedModels):
    """Anthropic's Claude models, asked as those of the other providers are."""

    checks_config = True
    _api: AnthropicAPI

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = ANTHROPIC,
        default_model: str = "",
        max_tokens: int = 4096,
        **kwargs: Any,
    ) -> None:
        """Nothing is asked, and no package is loaded, before the first call.

        Args:
            api_key: The key, as `${ANTHROPIC_API_KEY}`. The variable itself is never looked at.
            base_url: Where the API is, without its `/v1`: a proxy of yours, or a server with the same API.
            default_model: Answers calls that name no model.
            max_tokens: How long an answer may be where the call does not say, which the API must be told.
        """
        kwargs.setdefault("provider_type", "llm")
        kwargs.setdefault("capabilities", ["text", "chat", "streaming", "tools"])
        kwargs.setdefault("description", "Anthropic's Claude models")
        super().__init__(**kwargs)
        if find_spec("anthropic") is None:
            raise ImportError("needs the package anthropic: pip install 'gleitzeitd[anthropic]'")
        if not api_key.strip():
            raise ValueError("api_key is missing: Anthropic answers nobody without one")
        if max_tokens < 1:
            raise ValueError("max_tokens is 1 or more")
        self._api = AnthropicAPI(base_url.rstrip("/"), api_key.strip())
        self._default, self._max_tokens = default_model, max_tokens

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
            options: whatever else the API knows, such as top_p, stop_sequences, thinking
        """
        asked = [{"role": "user", "content": prompt}]
        said = await self.chat(asked, model, system, None, max_tokens, temperature, options)
        return {"text": said.pop("message")["content"], **said}

    @idempotent
    async def chat(
        self,
        messages: list[Item],
        model: str | None = None,
        system: str | None = None,
        tools: list[Item] | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        options: Item | None = None,
    ) -> Item:
        """The next message of a conversation: `{message, model, usage, finish_reason}`.

        Args:
            messages: each has a role and content, in the shape of the other providers or in Anthropic's own;
                send an answer's message back as it came, with its `blocks`
            system: how it is to answer; messages with the role `system` are added to it
            tools: functions that the model may ask for, in `message.tool_calls`, and tools of Anthropic's own
            max_tokens: how long the answer may be
            options: whatever else the API knows, such as tool_choice, thinking, top_p
        """
        body = self._body(messages, model, system, tools, self._limited(max_tokens, temperature, options))
        answer = await self._api.post("/v1/messages", body)
        if not isinstance(answer.get("content"), list):
            raise self._api.failed("answered without content")
        message, finish = shapes.message(answer["content"]), _finish(answer.get("stop_reason"))
        end = {"usage": shapes.usage(answer.get("usage")), "finish_reason": finish}
        if finish == "content_filter" and not message["content"]:
            raise self._held_back()
        return {"message": message, "model": word(answer, "model", body["model"]), **end}

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

        The last item is done, with `finish_reason`, and has `tool_calls` and `blocks` when the model asks for
        functions. Others may have `thinking`.
        """
        if (prompt is None) == (messages is None):
            raise InvalidRequest("stream takes either a prompt or messages")
        asked = messages if messages is not None else [{"role": "user", "content": prompt}]
        body = self._body(asked, model, system, tools, self._limited(max_tokens, temperature, options))
        streamed = shapes.Streamed()
        async with aclosing(self._api.events("/v1/messages", body)) as events:
            async for event in events:
                if told := streamed.take(event):
                    yield {"token": "", **told, "done": False, "model": streamed.model or body["model"]}
        if not streamed.is_whole:
            raise Unavailable(f"{self._api.who} ended a stream before it was done")
        message, finish = streamed.message(), _finish(streamed.stopped)
        if finish == "content_filter" and not message["content"]:
            raise self._held_back()
        more: Item = {key: message[key] for key in ("tool_calls", "blocks") if key in message}
        end = {"usage": shapes.usage(streamed.usage), "finish_reason": finish}
        yield {"token": "", "done": True, "model": streamed.model or body["model"], **more, **end}

    @idempotent
    async def count_tokens(
        self,
        messages: list[Item],
        model: str | None = None,
        system: str | None = None,
        tools: list[Item] | None = None,
    ) -> Item:
        """How many tokens a conversation has, which costs nothing: `{input_tokens}`."""
        body = self._body(messages, model, system, tools, None)
        answer = await self._api.post("/v1/messages/count_tokens", body)
        if not isinstance(answer.get("input_tokens"), int):
            raise self._api.failed("answered without input_tokens")
        return {"input_tokens": answer["input_tokens"]}

    def _body(
        self,
        messages: list[Item],
        model: str | None,
        system: str | None,
        tools: list[Item] | None,
        options: Item | None,
    ) -> Item:
        own = {
            "model": self._model(model),
            "messages": shapes.asked(messages),
            "system": shapes.system_of(messages, system),
            "tools": shapes.tools_of(tools),
        }
        return given({key: value for key, value in (options or {}).items() if key != "stream"} | given(own))

    def _limited(self, max_tokens: int | None, temperature: float | None, options: Item | None) -> Item:
        own = {"max_tokens": max_tokens, "temperature": temperature}
        return {"max_tokens": self._max_tokens} | given(options or {}) | given(own)

    def _held_back(self) -> ContentFiltered:
        return ContentFiltered(f"{self._api.who} refused to answer this")


def _finish(stopped: Any) -> str:
    """Why it ended, in the words of the other providers."""
    return shapes.FINISHED.get(str(stopped), str(stopped or "stop"))

"""A complete provider for the models of an Ollama server: put it beside providers.yaml, and

ollama:
  type: llm
  class: my_local_llm_provider.OllamaProvider
  auto_discover_models: true
  config: {ollama_url: "http://localhost:11434"}
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from gleitzeit_extensions import InvalidRequest, SocketIOProviderClient, Unavailable, idempotent


class OllamaProvider(SocketIOProviderClient):
    """Local models, by Ollama's HTTP API."""

    discovery_interval = 60.0

    def __init__(self, ollama_url: str = "http://localhost:11434", **kwargs: Any) -> None:
        kwargs.setdefault("provider_type", "llm")
        kwargs.setdefault("capabilities", ["text", "chat", "streaming"])
        super().__init__(**kwargs)
        self.ollama_url = ollama_url.rstrip("/")
        # Opened when it is first needed, since a constructor has to be quick and may run outside of a loop.
        self._http: aiohttp.ClientSession | None = None

    @idempotent
    async def generate(self, prompt: str, model: str = "", **options: Any) -> dict[str, Any]:
        """What a model makes of a prompt.

        Args:
            prompt: what it is asked
            options: whatever Ollama knows, such as temperature and num_predict
        """
        body = {"model": self._one(model), "prompt": prompt, "stream": False, "options": options}
        answer = await self._asked("POST", "/api/generate", body)
        return {"text": answer["response"], "model": answer["model"], "tokens": answer.get("eval_count")}

    @idempotent
    async def chat(self, messages: list[dict[str, str]], model: str = "", **options: Any) -> dict[str, Any]:
        """The next message of a conversation; each has a `role` and `content`."""
        body = {"model": self._one(model), "messages": messages, "stream": False, "options": options}
        answer = await self._asked("POST", "/api/chat", body)
        return {"message": answer["message"], "model": answer["model"]}

    @idempotent
    async def stream(self, prompt: str, model: str = "", **options: Any) -> AsyncIterator[dict[str, Any]]:
        """What a model makes of a prompt, token by token."""
        body = {"model": self._one(model), "prompt": prompt, "stream": True, "options": options}
        try:
            async with self._session().post(f"{self.ollama_url}/api/generate", json=body) as response:
                await self._refuse(response)
                async for line in response.content:
                    piece = json.loads(line)
                    if "error" in piece:
                        raise Unavailable(f"Ollama: {piece['error']}")
                    yield {"token": piece["response"], "done": piece["done"], "model": piece["model"]}
        except aiohttp.ClientConnectionError as exc:
            raise Unavailable(f"no Ollama at {self.ollama_url}: {exc}") from exc

    async def discover_models(self) -> list[str]:
        return [model["name"] for model in (await self._asked("GET", "/api/tags"))["models"]]

    async def get_health_status(self) -> dict[str, Any]:
        """A restart of this process would not help a server that is down: it is given no calls instead."""
        try:
            models = await self.discover_models()
        except Unavailable as exc:
            return {"healthy": True, "status": "degraded", "reason": str(exc)}
        return {"healthy": True, "models": len(models)}

    async def on_disconnected(self) -> None:
        if self._http:
            await self._http.close()
            self._http = None

    def _one(self, model: str) -> str:
        if name := model or next(iter(self.models), ""):
            return name
        raise InvalidRequest(f"say which model: Ollama at {self.ollama_url} has none yet")

    def _session(self) -> aiohttp.ClientSession:
        self._http = self._http or aiohttp.ClientSession()
        return self._http

    async def _asked(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            async with self._session().request(method, self.ollama_url + path, json=body) as response:
                await self._refuse(response)
                answer: dict[str, Any] = await response.json()
                return answer
        except aiohttp.ClientConnectionError as exc:
            raise Unavailable(f"no Ollama at {self.ollama_url}: {exc}") from exc

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Raise what an answer that is no success means for the call."""
        if response.status < 400:
            return
        sentence = f"Ollama answered {response.status}: {await response.text()}"
        raise (InvalidRequest if response.status < 500 else Unavailable)(sentence)

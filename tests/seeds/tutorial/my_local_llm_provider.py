"""T3, T5, T12: a language model whose class names the settings that it needs."""

from typing import Any

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


class OllamaProvider(SocketIOProviderClient):
    def __init__(self, ollama_url: str, **kwargs: Any) -> None:
        super().__init__(provider_type="llm", **kwargs)
        self.ollama_url = ollama_url

    async def generate(self, prompt: str, model: str) -> dict[str, str]:
        return {"text": prompt.upper(), "model": model}

    async def discover_models(self) -> list[str]:
        self.models = ["llama3.2", "phi3"]
        return self.models

    async def get_health_status(self) -> dict[str, Any]:
        return {"healthy": True, "url": self.ollama_url}

"""The provider of the relay benchmark, as anyone would write it with our SDK. It gives back what it gets."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


class EchoProvider(SocketIOProviderClient):
    async def invoke(self, method: str, **kwargs: Any) -> Any:
        return kwargs

    async def stream(self, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        for number in range(kwargs["count"]):
            yield {"token": "hello ", "i": number}

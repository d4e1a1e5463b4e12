"""T4, T6, T16, T19, T20: a tool in the tutorial's first shape, which decides in `invoke` what it does."""

import asyncio
import logging
import math
from typing import Any

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

logger = logging.getLogger(__name__)


class CalculatorProvider(SocketIOProviderClient):
    """Brings its own name, and hands on whatever else it is given."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            name="calculator",
            provider_type="tool",
            models=["basic-math", "advanced-math"],
            capabilities=["arithmetic", "trigonometry"],
            description="Calculates",
            **kwargs,
        )

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        if method == "add":
            return await self._add(kwargs)
        if method == "divide":
            return await self._divide(kwargs)
        if method == "sin":
            return {"result": math.sin(kwargs.get("x", 0))}
        raise ValueError(f"Unknown method: {method}")

    async def _add(self, params: dict[str, Any]) -> dict[str, Any]:
        a, b = params.get("a", 0), params.get("b", 0)
        return {"result": a + b, "expression": f"{a} + {b} = {a + b}"}

    async def _divide(self, params: dict[str, Any]) -> dict[str, Any]:
        if params["b"] == 0:
            raise ValueError("Division by zero is not allowed")
        return {"result": params["a"] / params["b"]}

    async def get_health_status(self) -> dict[str, Any]:
        await self._add({"a": 1, "b": 1})
        return {"healthy": True, "available_methods": ["add", "divide", "sin"]}


async def main() -> None:
    provider = CalculatorProvider()
    print(f"Provider: {provider.name}, {provider.provider_type}, {', '.join(provider.capabilities)}")
    asyncio.get_running_loop().call_soon(logger.debug, "a word for whoever looks closely")
    try:
        await provider.run()
    except KeyboardInterrupt:
        print("Stopping provider...")
        await provider.stop()
        print("Goodbye!")


if __name__ == "__main__":
    asyncio.run(main())

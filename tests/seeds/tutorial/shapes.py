"""T10 to T15 and T21: the shapes that the tutorial's later chapters give a provider."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

# T21: an author who sets up logging is not fought.
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s mine %(message)s")
logger = logging.getLogger(__name__)
logger.setLevel(logging.DEBUG)


class StreamingProvider(SocketIOProviderClient):
    """T10."""

    async def stream(self, **kwargs: Any) -> AsyncGenerator[dict[str, Any], None]:
        words = kwargs.get("prompt", "").split()
        model = kwargs.get("model", self.models[0])
        for number, word in enumerate(words, 1):
            yield {"token": word, "done": number == len(words), "model": model, "metadata": {"n": number}}


class RobustProvider(SocketIOProviderClient):
    """T11: reads its keywords after it handed them on."""

    tries = 0

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.max_retries = kwargs.get("max_retries", 3)
        self.retry_delay = kwargs.get("retry_delay", 1.0)

    async def flaky(self) -> int:
        self.tries += 1
        if self.tries < self.max_retries:
            raise RuntimeError("not yet")
        return self.tries

    async def invoke_with_retry(self, method: str, **kwargs: Any) -> Any:
        last_error: Exception | None = None
        for attempt in range(self.max_retries):
            try:
                return await self.invoke(method, **kwargs)
            except Exception as e:
                last_error = e
                if attempt < self.max_retries - 1:
                    await asyncio.sleep(self.retry_delay * (2**attempt))
                    continue
                raise
        raise last_error or AssertionError

    async def hardy(self) -> int:
        return await self.invoke_with_retry("flaky")  # type: ignore[no-any-return]


class SmartProvider(SocketIOProviderClient):
    """T13: declares what it can do, and leaves its name to whoever makes it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(capabilities=["text", "code", "vision"], **kwargs)

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        if method == "generate":
            if "image" in kwargs:
                return "seen"
            return "coded" if "code" in kwargs.get("prompt", "") else "said"
        raise ValueError(f"Unknown method: {method}")


class WellConfiguredProvider(SocketIOProviderClient):
    """T14: takes its keywords out before it hands the rest on."""

    def __init__(self, **kwargs: Any) -> None:
        self.api_key = kwargs.get("api_key")
        if not self.api_key:
            raise ValueError("api_key is required")
        self.timeout = kwargs.get("timeout", 30.0)
        for key in ["api_key", "timeout"]:
            kwargs.pop(key, None)
        super().__init__(**kwargs)

    async def waits(self) -> float:
        return float(self.timeout)


class MonitoredProvider(SocketIOProviderClient):
    """T15: wraps what the base class does."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.request_count = 0
        self.error_count = 0

    async def double(self, x: int) -> int:
        return 2 * x

    @asynccontextmanager
    async def track_request(self, method: str) -> AsyncIterator[None]:
        began = time.time()
        self.request_count += 1
        try:
            yield
            logger.info(f"Completed {method} request in {time.time() - began:.0f}s")
        except Exception as e:
            self.error_count += 1
            logger.error(f"Request failed: {e}")
            raise

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        async with self.track_request(method):
            return await super().invoke(method, **kwargs)

    async def get_health_status(self) -> dict[str, Any]:
        metrics = {"requests": self.request_count, "errors": self.error_count}
        return {"healthy": self.error_count == 0, "metrics": metrics}

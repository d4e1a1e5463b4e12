"""A provider that counts what it does: its health says how it goes, and Prometheus sees the same numbers."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gleitzeit_extensions import SocketIOProviderClient

log = logging.getLogger(__name__)


class MeteredProvider(SocketIOProviderClient):
    """Divides, and keeps count."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.requests = self.errors = 0
        self.seconds = 0.0

    async def divide(self, a: float, b: float) -> float:
        """The first number divided by the second."""
        return a / b

    async def invoke(self, method: str, **kwargs: Any) -> Any:
        """Every call comes through here."""
        async with self._metered(method):
            return await super().invoke(method, **kwargs)

    async def get_health_status(self) -> dict[str, Any]:
        metrics = {"requests": self.requests, "errors": self.errors, "seconds": round(self.seconds, 3)}
        return {"healthy": self.errors * 10 <= max(self.requests, 10), "metrics": metrics}

    @asynccontextmanager
    async def _metered(self, method: str) -> AsyncIterator[None]:
        began = time.monotonic()
        self.requests += 1
        try:
            yield
        except Exception:
            self.errors += 1
            log.warning("%s failed, as %d of %d have", method, self.errors, self.requests)
            raise
        finally:
            self.seconds += time.monotonic() - began

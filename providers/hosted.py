"""What the providers on a vendor's own library have in common: models, health, and which model answers."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from gleitzeit_extensions import CallError, InvalidRequest, RateLimited, SocketIOProviderClient
from providers.upstream import HEALTH_WITHIN

Item = dict[str, Any]


class API(Protocol):
    """The server, as its library reaches it. `who` names it in errors."""

    who: str

    async def models(self, within: float | None = None) -> list[str] | None: ...
    async def close(self) -> None: ...


class HostedModels(SocketIOProviderClient):
    """A subclass sets `_api`, and in `_default` the model for calls that name none, or nothing."""

    _api: API
    _default: str

    async def discover_models(self) -> list[str]:
        found = await self._api.models()
        return self.models if found is None else found

    async def get_health_status(self) -> Item:
        """A restart would not help a server that is down, or a key that is wrong: no calls come instead."""
        try:
            async with asyncio.timeout(HEALTH_WITHIN):
                models = await self._api.models(HEALTH_WITHIN)
        except RateLimited:
            return {"healthy": True}
        except TimeoutError:
            return _degraded(f"{self._api.who} did not answer in time")
        except CallError as exc:
            return _degraded(exc.message)
        return {"healthy": True, "metrics": {} if models is None else {"models": len(models)}}

    async def on_disconnected(self) -> None:
        await self._api.close()

    def _model(self, given: str | None) -> str:
        only = self.models[0] if len(self.models) == 1 else ""
        if name := given or self._default or only:
            return name
        raise InvalidRequest("say which model: this provider has no default_model")


def given(body: Item) -> Item:
    """What is None is left out, so that what the server has for it counts."""
    return {key: value for key, value in body.items() if value is not None}


def _degraded(reason: str) -> Item:
    return {"healthy": True, "status": "degraded", "reason": reason}

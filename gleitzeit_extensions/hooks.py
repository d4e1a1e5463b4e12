"""The author's code that runs beside the calls; nothing depends on it, so its errors are only logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gleitzeit_extensions import frames, threads
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

log = logging.getLogger("gleitzeit")


async def call(hook: Callable[[], Any]) -> None:
    try:
        await threads.call(hook)
    except (Exception, SystemExit) as exc:
        log.warning("%s() failed: %s", getattr(hook, "__name__", "a hook"), frames.own_words(exc))


async def discover(provider: SocketIOProviderClient) -> None:
    """Have the provider look up its models; it is worth having without them."""
    try:
        provider.models = await threads.call(provider.discover_models)
    except (Exception, SystemExit) as exc:
        log.warning('"%s" could not discover its models: %s', provider.name, frames.own_words(exc))

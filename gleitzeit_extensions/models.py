"""The argument `model`, which the hub knows better than the caller when it chose this provider by a model."""

from __future__ import annotations

import inspect
from typing import Any

from gleitzeit_extensions.registration import methods_of
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


def with_model(args: dict[str, Any], model: str, is_taken: bool) -> dict[str, Any]:
    """The arguments with the hub's name of the model, where they have one or the method takes one."""
    return {**args, "model": model} if model and (is_taken or "model" in args) else args


def takes_model(provider: SocketIOProviderClient, method: str) -> bool:
    """Whether the method, or an `invoke` of the author's that decides about it, takes an argument `model`."""
    known = methods_of(provider).get(method)
    if known is not None:
        return known.accepts("model")
    parameters = inspect.signature(provider.invoke).parameters
    return "model" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())

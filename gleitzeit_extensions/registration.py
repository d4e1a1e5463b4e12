"""What a provider tells the hub about itself, and what of that has changed since."""

from __future__ import annotations

from gleitzeit_extensions import methods
from gleitzeit_extensions.methods import Method
from gleitzeit_extensions.protocol import CallError, Wire
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

MAY_CHANGE = ("models", "capabilities", "methods", "description", "metadata")


def methods_of(provider: SocketIOProviderClient) -> dict[str, Method]:
    return methods.methods_of(provider, SocketIOProviderClient)


def is_closed(provider: SocketIOProviderClient) -> bool:
    """Whether its methods are the whole list; a class with an `invoke` of its own decides at run time."""
    return type(provider).invoke is SocketIOProviderClient.invoke


def registration(provider: SocketIOProviderClient) -> Wire:
    """Raises `CallError` for what the author put where something else is needed."""
    if not isinstance(provider.metadata, dict):
        sentence = f'metadata of "{provider.name}" is a {type(provider.metadata).__name__}: a dict is needed'
        raise CallError("invalid_request", sentence)
    known = methods_of(provider).values()
    return {
        "name": provider.name,
        "type": provider.provider_type,
        "description": provider.description,
        "models": list(provider.models),
        "capabilities": list(provider.capabilities),
        "methods": [method.entry for method in known],
        "closed": is_closed(provider),
        "ready": provider.why_not_ready is None,
        "metadata": dict(provider.metadata),
    }


def changes(told: Wire, now: Wire) -> Wire:
    return {key: now[key] for key in MAY_CHANGE if now[key] != told[key]}

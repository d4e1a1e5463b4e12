"""What a provider's author imports. Nothing is loaded before it is asked for (PEP 562)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gleitzeit_extensions.current import CurrentCall, current_call
    from gleitzeit_extensions.errors import (
        ContentFiltered,
        ContextTooLong,
        InvalidRequest,
        RateLimited,
        Unavailable,
    )
    from gleitzeit_extensions.methods import idempotent
    from gleitzeit_extensions.protocol import CallError
    from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

__all__ = [
    "CallError",
    "ContentFiltered",
    "ContextTooLong",
    "CurrentCall",
    "InvalidRequest",
    "RateLimited",
    "SocketIOProviderClient",
    "Unavailable",
    "current_call",
    "idempotent",
]

_HOME = {
    "CallError": "protocol",
    "ContentFiltered": "errors",
    "ContextTooLong": "errors",
    "CurrentCall": "current",
    "InvalidRequest": "errors",
    "RateLimited": "errors",
    "SocketIOProviderClient": "socketio_provider_client",
    "Unavailable": "errors",
    "current_call": "current",
    "idempotent": "methods",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

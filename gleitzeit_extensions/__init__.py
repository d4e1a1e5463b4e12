"""What a provider's author imports. Nothing is loaded before it is asked for (PEP 562)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

__all__ = ["SocketIOProviderClient"]

_HOME = {"SocketIOProviderClient": "socketio_provider_client"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

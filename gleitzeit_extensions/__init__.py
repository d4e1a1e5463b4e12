"""What a provider's author imports. Nothing is loaded before it is asked for (PEP 562)."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from gleitzeit_extensions.config_loader import ConfigBasedExtension
    from gleitzeit_extensions.current import CurrentCall, current_call
    from gleitzeit_extensions.decorators import capability, config_field, extension, handler, model, requires
    from gleitzeit_extensions.errors import (
        ContentFiltered,
        ContextTooLong,
        InvalidRequest,
        RateLimited,
        Unavailable,
    )
    from gleitzeit_extensions.exceptions import (
        ExtensionConfigError,
        ExtensionDependencyError,
        ExtensionError,
        ExtensionLoadError,
        ExtensionNotFound,
        ExtensionServiceError,
        ExtensionValidationError,
    )
    from gleitzeit_extensions.extensions.cluster import GleitzeitCluster
    from gleitzeit_extensions.extensions.info import ExtensionInfo
    from gleitzeit_extensions.extensions.manager import ExtensionManager
    from gleitzeit_extensions.helpers import create_cluster_with_extensions
    from gleitzeit_extensions.methods import idempotent
    from gleitzeit_extensions.protocol import CallError
    from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
    from gleitzeit_extensions.tools import tool

__all__ = [
    "CallError",
    "ConfigBasedExtension",
    "ContentFiltered",
    "ContextTooLong",
    "CurrentCall",
    "ExtensionConfigError",
    "ExtensionDependencyError",
    "ExtensionError",
    "ExtensionInfo",
    "ExtensionLoadError",
    "ExtensionManager",
    "ExtensionNotFound",
    "ExtensionServiceError",
    "ExtensionValidationError",
    "GleitzeitCluster",
    "InvalidRequest",
    "RateLimited",
    "SocketIOProviderClient",
    "Unavailable",
    "capability",
    "config_field",
    "create_cluster_with_extensions",
    "current_call",
    "extension",
    "handler",
    "idempotent",
    "model",
    "requires",
    "tool",
]

_HOME = {
    "CallError": "protocol",
    "ConfigBasedExtension": "config_loader",
    "ContentFiltered": "errors",
    "ContextTooLong": "errors",
    "CurrentCall": "current",
    "ExtensionConfigError": "exceptions",
    "ExtensionDependencyError": "exceptions",
    "ExtensionError": "exceptions",
    "ExtensionInfo": "extensions.info",
    "ExtensionLoadError": "exceptions",
    "ExtensionManager": "extensions.manager",
    "ExtensionNotFound": "exceptions",
    "ExtensionServiceError": "exceptions",
    "ExtensionValidationError": "exceptions",
    "GleitzeitCluster": "extensions.cluster",
    "InvalidRequest": "errors",
    "RateLimited": "errors",
    "SocketIOProviderClient": "socketio_provider_client",
    "Unavailable": "errors",
    "capability": "decorators",
    "config_field": "decorators",
    "create_cluster_with_extensions": "helpers",
    "current_call": "current",
    "extension": "decorators",
    "handler": "decorators",
    "idempotent": "methods",
    "model": "decorators",
    "requires": "decorators",
    "tool": "tools",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

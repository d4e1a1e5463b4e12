"""Calls to providers from any Python program: `Client` for asyncio, `SyncClient` for all else.

`docs/clients.md` shows how. This is the one module to import from; it loads no HTTP library itself.
"""

from __future__ import annotations

from gleitzeit_extensions.client.asynchronous import Client, Stream
from gleitzeit_extensions.client.errors import (
    Cancelled,
    ClientError,
    Conflict,
    ContentFiltered,
    ContextTooLong,
    DeadlineExceeded,
    Forbidden,
    InstanceLost,
    InvalidRequest,
    NoInstance,
    NotFound,
    Overloaded,
    ProviderFailed,
    RateLimited,
    Stalled,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from gleitzeit_extensions.client.many import Outcome
from gleitzeit_extensions.client.request import Capability, Model, Provider
from gleitzeit_extensions.client.synchronous import SyncClient, SyncStream

__all__ = [
    "Cancelled",
    "Capability",
    "Client",
    "ClientError",
    "Conflict",
    "ContentFiltered",
    "ContextTooLong",
    "DeadlineExceeded",
    "Forbidden",
    "InstanceLost",
    "InvalidRequest",
    "Model",
    "NoInstance",
    "NotFound",
    "Outcome",
    "Overloaded",
    "Provider",
    "ProviderFailed",
    "RateLimited",
    "Stalled",
    "Stream",
    "SyncClient",
    "SyncStream",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "Unreachable",
]

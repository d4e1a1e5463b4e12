"""A stream of a provider: which of its methods gives it, and whatever the author made it of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from gleitzeit_extensions import threads
from gleitzeit_extensions.methods import UnknownMethod, subject_of
from gleitzeit_extensions.models import with_model
from gleitzeit_extensions.offered import Offered
from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.registration import is_closed, methods_of
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


@asynccontextmanager
async def opened(
    provider: SocketIOProviderClient, name: str, args: dict[str, Any], model: str
) -> AsyncGenerator[AsyncIterator[Any], None]:
    """The items that the method `name` streams; what the author opened for them is closed at the end."""
    items = _asynchronous(provider, await _start(provider, name, args, model))
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


async def _start(provider: SocketIOProviderClient, name: str, args: dict[str, Any], model: str) -> Any:
    known = methods_of(provider)
    chosen = known.get(name)
    if isinstance(chosen, Offered):
        return chosen.follow(args)
    if chosen is not None and chosen.streams and name != "stream":
        args = chosen.checked(provider.name, with_model(args, model, chosen.accepts("model")))
        return await threads.call(getattr(subject_of(provider), chosen.attribute), **args)
    if is_closed(provider) and name not in ("stream", "generate"):
        if chosen is None:
            raise UnknownMethod(provider.name, name, list(known))
        sentence = f'"{name}" of "{provider.name}" gives one answer, not a stream: call it without stream'
        raise CallError("invalid_request", sentence)
    stream = known.get("stream")
    if stream is None or isinstance(stream, Offered):
        kind = type(subject_of(provider)).__name__
        sentence = f'"{provider.name}" does not stream: its class {kind} has no stream()'
        raise CallError("not_found.method", sentence)
    if stream.takes is not None and "method" in stream.takes.named:
        args = {**args, "method": name}
    args = stream.checked(provider.name, with_model(args, model, stream.accepts("model")))
    return await threads.call(subject_of(provider).stream, **args)


def _asynchronous(provider: SocketIOProviderClient, given: object) -> AsyncIterator[Any]:
    match given:
        case AsyncIterable():
            return aiter(given)
        case Iterable() if not isinstance(given, (str, bytes, dict)):
            return threads.iterate(given)
    sentence = f'stream() of "{provider.name}" gave a {type(given).__name__}: an async generator is needed'
    raise CallError("provider_error", sentence)

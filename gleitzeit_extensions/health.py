"""One answer to one `health`: the author's own words, made to fit the wire."""

from __future__ import annotations

from typing import Any

from gleitzeit_extensions import failures, frames, threads
from gleitzeit_extensions.frames import Encoded
from gleitzeit_extensions.protocol import CallError, Wire
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


async def answer(provider: SocketIOProviderClient, id: object, limit: int) -> Wire | Encoded:
    try:
        wire = {"id": id, "ok": True, "health": _health(await threads.call(provider.get_health_status))}
        return frames.encoded(wire, "health", "the answer of get_health_status()", limit)
    except (Exception, SystemExit) as exc:  # whatever it raises, the answer is: not well, and why
        return {"id": id, "ok": False, "error": failures.envelope(failures.failure(exc), limit)}


def _health(given: object) -> dict[str, Any]:
    match given:
        case dict():
            return {"healthy": True} | given
        case bool():
            return {"healthy": given}
    sentence = f'get_health_status() gave a {type(given).__name__}: a dict with "healthy" is needed'
    raise CallError("provider_error", sentence)

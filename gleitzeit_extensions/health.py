"""One answer to one `health`: the author's own words, made to fit the wire."""

from __future__ import annotations

from typing import Any

from gleitzeit_extensions import authors, failures, frames, threads
from gleitzeit_extensions.frames import Encoded
from gleitzeit_extensions.methods import subject_of
from gleitzeit_extensions.protocol import CallError, Wire
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient


async def answer(provider: SocketIOProviderClient, id: object, limit: int) -> Wire | Encoded:
    asked = _asked(provider)
    try:
        health = _health(await threads.call(provider.get_health_status), asked)
        wire = {"id": id, "ok": True, "health": health}
        return frames.encoded(wire, "health", f"the answer of {asked}", limit)
    except (Exception, SystemExit) as exc:  # whatever it raises, the answer is: not well, and why
        return {"id": id, "ok": False, "error": failures.envelope(failures.failure(exc), limit)}


def _asked(provider: SocketIOProviderClient) -> str:
    """The author's method that is asked, and where it is written: `get_health_status() (mine.py:3)`."""
    subject = subject_of(provider)
    name = "get_health_status" if subject is provider else "health_check"
    at = authors.written(getattr(subject, name, None))
    return f"{name}(){f' ({at})' if at else ''}"


def _health(given: object, asked: str) -> dict[str, Any]:
    match given:
        case dict():
            return {"healthy": True} | given
        case bool():
            return {"healthy": given}
    sentence = f'{asked} gave a {type(given).__name__}: a dict with "healthy" is needed'
    raise CallError("provider_error", sentence)

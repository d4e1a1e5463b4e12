"""python-socketio, and nothing that it would import beside.

It imports the library of every message broker and of every other HTTP client that it finds installed, though
we use none: where a provider's `redis` is, each process would be 60 ms later and 8 MB larger.
"""

from __future__ import annotations

import sys

BROKERS = ("aio_pika", "eventlet", "kafka", "kombu", "redis", "valkey", "zmq")
OTHERS = ("requests", "tornado", "websocket")


def _hide() -> list[str]:
    """Let imports of them fail, as if they were not installed; gives those that were not loaded before."""
    hidden = [name for name in (*BROKERS, *OTHERS) if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what `import` takes for: not there
    return hidden


_hidden = _hide()
try:
    import socketio
finally:
    for _name in _hidden:
        del sys.modules[_name]

__all__ = ["socketio"]

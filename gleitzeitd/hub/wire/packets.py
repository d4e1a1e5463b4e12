"""What is read of a connection: the packets that `gz/1` has, as they are; nothing else gets any further.

python-socketio trusts its peers: what it cannot read it reports as a mistake of ours, and some of it leaves a
connection behind that nobody closes.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from socketio.packet import ACK, BINARY_ACK, BINARY_EVENT, CONNECT, DISCONNECT, EVENT, Packet

from gleitzeit_extensions.protocol import PROVIDERS, CallError

RESERVED = frozenset({"connect", "disconnect", "connect_error", "*"})
"""Names of python-socketio's own: a peer's events of that name would reach handlers that trust them."""
ANSWERS = frozenset({"result", "chunk", "end"})
BINARY = "binary data came, which is not part of the protocol: send text, for instance base64"
MOST_LEVELS = 100
"""Of lists and objects in each other: what is kept of a peer has to be shown, by an encoder that gives up."""
TOO_DEEP = f"what came has more than {MOST_LEVELS} levels of lists and objects in each other"
NO_NUMBER = "NaN or Infinity came, which JSON does not have"


class MalformedError(ValueError):
    """What came is nothing that a peer of ours sends."""


class Frames:
    """A WebSocket, as python-engineio uses it, from which only packets of Engine.IO 4 come."""

    def __init__(self, socket: Any) -> None:
        self._wait: Callable[[], Awaitable[str | bytes]] = socket.wait
        self.send = socket.send
        self.close = socket.close

    async def wait(self) -> str | bytes:
        """The next packet. Raises MalformedError, and OSError at the end."""
        frame = await self._wait()
        # A digit after the 4 is a Socket.IO packet's type; anything else the library would parse as JSON.
        if (
            isinstance(frame, str)
            and frame not in ("1", "3")
            and not (frame[:1] == "4" and frame[1:2].isdigit())
        ):
            raise MalformedError("it is no packet of Engine.IO 4")
        return frame


def size(encoded: str) -> int:
    """How many bytes a packet is on the wire."""
    return len(encoded) if encoded.isascii() else len(encoded.encode("utf-8", "surrogatepass"))


def read(encoded: object) -> tuple[Packet, CallError | None]:
    """A packet, and why its payload cannot be used although it can be read. Raises MalformedError."""
    if not isinstance(encoded, str):
        raise MalformedError("it is not text")
    try:
        packet, no_number = Packet(encoded_packet=encoded), _has_no_number(encoded)
    except (ValueError, RecursionError) as exc:
        raise MalformedError(f"it is no packet of Socket.IO 5: {exc}") from exc
    kind, data = packet.packet_type, packet.data
    if kind not in (CONNECT, DISCONNECT) and not isinstance(data, list):
        raise MalformedError("its payload is not a list")
    if kind in (EVENT, BINARY_EVENT) and not (data and isinstance(data[0], str) and data[0] not in RESERVED):
        raise MalformedError("it does not begin with the name of an event")
    if kind in (BINARY_EVENT, BINARY_ACK):
        packet.packet_type = EVENT if kind == BINARY_EVENT else ACK
        return packet, CallError("protocol", BINARY)
    if kind not in (CONNECT, DISCONNECT, EVENT, ACK):
        raise MalformedError("only a server sends such a packet")
    is_kept = packet.namespace == PROVIDERS and kind == EVENT and data[0] not in ANSWERS
    if is_kept and _is_deeper(data, MOST_LEVELS):
        return packet, CallError("protocol", TOO_DEEP)
    return packet, CallError("protocol", NO_NUMBER) if no_number and kind in (EVENT, ACK) else None


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(item, levels - 1) for item in inner)


def _has_no_number(encoded: str) -> bool:
    if "NaN" not in encoded and "Infinity" not in encoded:
        return False
    found: list[str] = []
    start = min(at for mark in "[{" if (at := encoded.find(mark)) >= 0)
    json.loads(encoded[start:], parse_constant=found.append)
    return bool(found)


def as_failure(packet: Packet, error: CallError) -> Packet | None:
    """The same answer to a call, saying that it failed; None when it is no answer."""
    failure = {"ok": False, "error": error.wire()}
    match packet.packet_type, packet.data:
        case int(kind), _ if kind == ACK:
            packet.data = [failure]
            return packet
        case _, [str(event), {"id": str(number)}, *_] if event in ANSWERS:
            packet.data = ["result", {"id": number, **failure}]
            return packet
    return None

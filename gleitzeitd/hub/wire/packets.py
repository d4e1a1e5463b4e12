"""What is read of a connection: the packets that `gz/1` has, as they are; nothing else gets any further.

python-socketio trusts its peers: what it cannot read it reports as a mistake of ours, and some of it leaves a
connection behind that nobody closes. It also takes longer to read a packet than its JSON takes.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, NoReturn

from socketio.packet import ACK, BINARY_ACK, BINARY_EVENT, CONNECT, DISCONNECT, EVENT

from gleitzeit_extensions.protocol import PROVIDERS, CallError

RESERVED = frozenset({"connect", "disconnect", "connect_error", "*"})
"""Names of python-socketio's own: a peer's events of that name would reach handlers that trust them."""
ANSWERS = frozenset({"result", "chunk", "end"})
BINARY = "binary data came, which is not part of the protocol: send text, for instance base64"
MOST_LEVELS = 100
"""Of lists and objects in each other: what is kept of a peer has to be shown, by an encoder that gives up."""
TOO_DEEP = f"what came has more than {MOST_LEVELS} levels of lists and objects in each other"
NO_NUMBER = "NaN or Infinity came, which JSON does not have"

_head = re.compile(
    r"(?P<kind>[0-6])(?:[0-9]+-)?(?:(?P<namespace>/[^,?]*)[^,]*(?:,|$))?(?P<number>[0-9]{0,100})"
).match
"""What stands before the JSON: type, attachments, namespace with its query, and number."""


class MalformedError(ValueError):
    """What came is nothing that a peer of ours sends."""


class NoNumberError(ValueError):
    """It would be JSON if that had NaN and Infinity."""


class Packet(NamedTuple):
    kind: int
    """One of Socket.IO's types."""
    namespace: str
    number: int | None
    """Under which it is to be acknowledged, or acknowledges."""
    data: Any


def _refuse(_: str) -> NoReturn:
    raise NoNumberError


_decode = json.JSONDecoder(parse_constant=_refuse).decode


def size(encoded: str) -> int:
    """How many bytes a packet is on the wire."""
    return len(encoded) if encoded.isascii() else len(encoded.encode("utf-8", "surrogatepass"))


def read(encoded: str) -> tuple[Packet, CallError | None]:
    """A packet, and why its payload cannot be used although it can be read. Raises MalformedError."""
    try:
        packet, flaw = _read(encoded)
    except (ValueError, RecursionError) as exc:
        raise MalformedError(f"it is no packet of Socket.IO 5: {exc}") from exc
    kind, namespace, _, data = packet
    if kind in (CONNECT, DISCONNECT):
        return packet, None
    if not isinstance(data, list):
        raise MalformedError("its payload is not a list")
    if kind in (EVENT, BINARY_EVENT) and not (data and isinstance(data[0], str) and data[0] not in RESERVED):
        raise MalformedError("it does not begin with the name of an event")
    if kind in (BINARY_EVENT, BINARY_ACK):
        return packet._replace(kind=EVENT if kind == BINARY_EVENT else ACK), CallError("protocol", BINARY)
    if kind not in (EVENT, ACK):
        raise MalformedError("only a server sends such a packet")
    is_kept = namespace == PROVIDERS and kind == EVENT and data[0] not in ANSWERS
    if is_kept and _is_deeper(data, MOST_LEVELS):
        return packet, CallError("protocol", TOO_DEEP)
    return packet, flaw


def _read(encoded: str) -> tuple[Packet, CallError | None]:
    head = _head(encoded)
    if head is None:
        raise MalformedError("it does not begin with a type")
    kind, namespace, number = head.groups()
    payload, flaw, data = encoded[head.end() :], None, None
    if payload:
        try:
            data = _decode(payload)
        except NoNumberError:
            data, flaw = json.loads(payload), CallError("protocol", NO_NUMBER)
    return Packet(int(kind), namespace or "/", int(number) if number else None, data), flaw


def _is_deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_is_deeper(item, levels - 1) for item in inner)


def as_failure(packet: Packet, error: CallError) -> Packet | None:
    """The same answer to a call, saying that it failed; None when it is no answer."""
    failure = {"ok": False, "error": error.wire()}
    match packet.kind, packet.data:
        case int(kind), _ if kind == ACK:
            return packet._replace(data=[failure])
        case _, [str(event), {"id": str(number)}, *_] if event in ANSWERS:
            return packet._replace(data=["result", {"id": number, **failure}])
    return None

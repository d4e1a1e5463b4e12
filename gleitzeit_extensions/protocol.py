"""What travels between hub, providers and callers: names, limits and the error envelope of `gz/1`.

Only values: no I/O, and nothing imported beyond the standard library's cheapest parts, since the
command line reads its exit statuses from here. `docs/protocol.md` is the specification.
"""

from __future__ import annotations

from typing import Any, NamedTuple

PROTO = 1
PROVIDERS = "/providers"
CLIENTS = "/clients"

MAX_FRAME = 16 * 1024 * 1024
"""Bytes of JSON that one message's payload may have; larger is refused by name before it is sent."""

TRANSPORT_LIMIT = MAX_FRAME + 64 * 1024
"""Bytes at which the transport itself cuts: above `MAX_FRAME`, so that our own error comes first."""

WINDOW = 64
"""Credits of one stream that its sender has before the receiver grants more."""

CREDIT_BYTES = 16 * 1024
"""Bytes of JSON that a chunk may have for each credit; so a window is at most 1 MiB."""

PING_INTERVAL = 4
PING_TIMEOUT = 4
"""Seconds; together the time after which a frozen peer is out of routing."""

BACKLOG = 1024
"""Connections that may wait to be accepted at each of the daemon's sockets."""

CANCEL_GRACE = 2.0
"""Seconds a provider has to end a call it was told to cancel."""


def cost(size: int) -> int:
    """Credits that a chunk whose payload has `size` bytes of JSON costs: at least one."""
    return max(1, -(-size // CREDIT_BYTES))


def may_send(left: int, price: int) -> bool:
    """Whether a chunk may be sent with so many credits left; one that costs more overdraws them.

    Half of a window suffices for any: whoever receives gives that much back without being asked.
    """
    return left >= min(price, WINDOW // 2)


class Code(NamedTuple):
    """What one error code means to the outside: HTTP status, exit status, worth another try."""

    http: int
    exit: int
    retryable: bool


CODES: dict[str, Code] = {
    "invalid_request": Code(400, 2, False),
    "unauthenticated": Code(401, 8, False),
    "forbidden": Code(403, 8, False),
    "not_found.provider": Code(404, 4, False),
    "not_found.model": Code(404, 4, False),
    "not_found.capability": Code(404, 4, False),
    "not_found.method": Code(404, 4, False),
    "not_found.token": Code(404, 4, False),
    "conflict": Code(409, 1, False),
    "too_large": Code(413, 1, False),
    "context_too_long": Code(400, 6, False),
    "content_filtered": Code(400, 6, False),
    "rate_limited": Code(429, 5, True),
    "overloaded": Code(503, 5, True),
    "no_instance": Code(503, 5, True),
    "unavailable": Code(503, 6, True),
    "deadline_exceeded": Code(504, 7, True),
    "stalled": Code(504, 7, True),
    "cancelled": Code(499, 1, False),
    "instance_lost": Code(502, 6, True),
    "provider_error": Code(502, 6, False),
    "protocol": Code(500, 1, False),
    "internal": Code(500, 1, False),
}

Wire = dict[str, Any]


class CallError(Exception):
    """A call that failed, as it travels: `code` is one of `CODES`, `message` is a sentence for a person."""

    def __init__(self, code: str, message: str, detail: Wire | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail or {}

    @property
    def meaning(self) -> Code:
        return CODES.get(self.code, CODES["internal"])

    def wire(self) -> Wire:
        """The envelope `{code, message, retryable, detail}`."""
        return {
            "code": self.code,
            "message": self.message,
            "retryable": self.meaning.retryable,
            "detail": self.detail,
        }

    @classmethod
    def read(cls, envelope: object) -> CallError:
        """The error in an envelope that a peer sent; one that cannot be read is a `protocol` error."""
        match envelope:
            case {"code": str(code), "message": str(message), "detail": dict(detail)}:
                return cls(code, message, detail)
            case {"code": str(code), "message": str(message)}:
                return cls(code, message)
            case None:
                return cls("protocol", "the peer says that it failed, and not why")
        return cls("protocol", f"the peer sent an error that cannot be read: {str(envelope)[:200]}")

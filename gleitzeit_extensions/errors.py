"""What a provider's method may raise so that the hub knows what to do: wait, go elsewhere, or give up.

Any other exception reaches the caller in its own words as `provider_error`, and is never tried again; but a
ConnectionError or TimeoutError is taken for `Unavailable`.
"""

from __future__ import annotations

from gleitzeit_extensions.protocol import CallError


class RateLimited(CallError):
    """Whoever this provider asks takes no more for now; again after `retry_after` seconds, if it said so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__("rate_limited", message, _when(retry_after))


class Unavailable(CallError):
    """What this provider needs is down; it may be back after `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__("unavailable", message, _when(retry_after))


class ContextTooLong(CallError):
    """The prompt has more tokens than the model takes."""

    def __init__(self, message: str) -> None:
        super().__init__("context_too_long", message)


class ContentFiltered(CallError):
    """The prompt, or what was answered, was refused by a filter."""

    def __init__(self, message: str) -> None:
        super().__init__("content_filtered", message)


class InvalidRequest(CallError):
    """The arguments cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_request", message)


def _when(retry_after: float | None) -> dict[str, float]:
    return {} if retry_after is None else {"retry_after": retry_after}

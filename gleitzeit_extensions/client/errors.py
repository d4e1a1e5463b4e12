"""How a call fails for the program that made it: one class for each thing it may want to do about it."""

from __future__ import annotations

from typing import Any

from gleitzeit_extensions.protocol import CallError


class ClientError(CallError):
    """A call that failed.

    `code` is one of the protocol's, or `unreachable`; `message` is a sentence for a person;
    `detail` has fields for programs.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception that cannot be copied breaks the pool of processes that it should be told by.
        return type(self), (self.code, self.message, self.detail)

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later. One that is not idempotent may have begun all the same."""
        return self.meaning.retryable

    @property
    def retry_after(self) -> float | None:
        """Seconds after which another try makes sense, where that is known."""
        seconds = self.detail.get("retry_after")
        return seconds if isinstance(seconds, int | float) and not isinstance(seconds, bool) else None


class InvalidRequest(ClientError):
    """What was asked for cannot be, as it stands."""


class TooLarge(InvalidRequest):
    """More than one message may have."""


class ContextTooLong(InvalidRequest):
    """More than the model can read at once."""


class ContentFiltered(InvalidRequest):
    """The model's owner does not let it answer this."""


class Forbidden(ClientError):
    """Whoever asks may not."""


class Unauthenticated(Forbidden):
    """The daemon does not know the token."""


class NotFound(ClientError):
    """Nobody has that name: `code` says whether of a provider, a model, a capability or a method."""


class Conflict(ClientError):
    """The key was used for another call."""


class RateLimited(ClientError):
    """Too many calls; `retry_after` says how long to wait, where that is known."""


class Unavailable(ClientError):
    """What the provider itself needs is down; or nobody can take the call now."""


class NoInstance(Unavailable):
    """No instance of the provider can take the call: it is stopped, or has failed."""


class Overloaded(Unavailable):
    """Too many calls wait already."""


class DeadlineExceeded(ClientError):
    """There was no answer in time."""


class Stalled(DeadlineExceeded):
    """A stream was silent for too long."""


class InstanceLost(ClientError):
    """The process that had the call died."""

    @property
    def exit_status(self) -> int | None:
        """What it ended with, where that is known; negative for a signal."""
        return self.detail.get("exit_status")

    @property
    def stderr(self) -> tuple[str, ...]:
        """The last lines that it wrote to stderr."""
        return tuple(self.detail.get("stderr", ()))


class Cancelled(ClientError):
    """Somebody cancelled the call."""


class ProviderFailed(ClientError):
    """The provider's own code raised; its words are the message."""


class Unreachable(ClientError):
    """No daemon answered."""

    def __init__(self, sentence: str, *_: object) -> None:
        super().__init__("unreachable", sentence)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message,)


KINDS: dict[str, type[ClientError]] = {
    "invalid_request": InvalidRequest,
    "unauthenticated": Unauthenticated,
    "forbidden": Forbidden,
    "not_found": NotFound,
    "conflict": Conflict,
    "too_large": TooLarge,
    "context_too_long": ContextTooLong,
    "content_filtered": ContentFiltered,
    "rate_limited": RateLimited,
    "overloaded": Overloaded,
    "no_instance": NoInstance,
    "unavailable": Unavailable,
    "deadline_exceeded": DeadlineExceeded,
    "stalled": Stalled,
    "cancelled": Cancelled,
    "instance_lost": InstanceLost,
    "provider_error": ProviderFailed,
}
"""By the first part of the code; what is not here, such as `internal`, is a plain ClientError."""


def error(code: str, message: str, detail: dict[str, Any] | None = None) -> ClientError:
    """The error with that code, as the class that is made for it."""
    return KINDS.get(code.partition(".")[0], ClientError)(code, message, detail)


def read_error(envelope: object) -> ClientError:
    """The error in an envelope that the daemon sent."""
    said = CallError.read(envelope)
    return error(said.code, said.message, said.detail)

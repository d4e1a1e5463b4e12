"""What is printed about the codes of errors: what each means to whoever called, and what helps."""

from __future__ import annotations

from collections.abc import Iterator

from gleitzeit_extensions.protocol import CODES

MEANS = {
    "invalid_request": (
        "the call cannot be meant: an argument is missing, unknown or of the wrong kind",
        "`gleitzeitctl providers methods NAME` shows what is taken",
    ),
    "unauthenticated": (
        "no token, or one that is unknown, revoked or out of date",
        "`gleitzeitctl token list`; that of this machine is new at each start of the daemon",
    ),
    "forbidden": (
        "who asks is known, and may not do that",
        "the message names the scope that is missing: `token create` makes one that has it",
    ),
    "not_found.provider": ("no provider has that name", "the message has the names that there are"),
    "not_found.model": (
        "nobody offers that model",
        "`gleitzeitctl providers models` has those that there are",
    ),
    "not_found.capability": (
        "nobody has that capability",
        "`gleitzeitctl providers capabilities` has all",
    ),
    "not_found.method": ("the provider has no such method", "the message has those that it has"),
    "not_found.token": ("no token has that name", "`gleitzeitctl token list`"),
    "conflict": (
        "it contradicts what is there: a name that is taken, a change that goes on, a daemon that stops",
        "the message says what is in the way",
    ),
    "too_large": (
        "a message has more than 16 MiB of JSON",
        "send less, or send the name of a file or object instead; stream what is long",
    ),
    "context_too_long": (
        "the model takes no prompt that long",
        "shorten it, or ask a model with a larger window",
    ),
    "content_filtered": (
        "the model's vendor refuses the prompt or the answer",
        "another prompt; no retry helps",
    ),
    "rate_limited": (
        "a token's own `--rate`, or the vendor's limit",
        "wait as long as `retry_after` says, or raise the rate",
    ),
    "overloaded": (
        "the queue is full, or there are too many connections",
        "more `instances`, `routing.concurrency` or `routing.queue`: see [performance.md](performance.md)",
    ),
    "no_instance": (
        "nobody is there who could take it, and nobody will be in time",
        "the message says in which state they are: `gleitzeitctl why NAME`",
    ),
    "unavailable": (
        "the provider says that what it stands for cannot be reached, or its breaker is open",
        "look at the server behind it; `gleitzeitctl why NAME`, `gleitzeitctl route NAME`",
    ),
    "deadline_exceeded": (
        "no answer within the call's timeout, waiting included",
        "`gleitzeitctl monitor NAME`: does it wait, or take long? more slots, or a larger `routing.timeout`",
    ),
    "stalled": (
        "a stream was silent for `routing.stall_timeout`",
        "its log; raise it for a model that thinks long",
    ),
    "cancelled": ("the caller hung up or cancelled", "nothing, unless nobody did"),
    "instance_lost": (
        "the process or its connection ended during the call, which may have had its effect",
        "`gleitzeitctl why NAME`; calls that may be repeated (`--idempotent`) are, and never see this",
    ),
    "provider_error": (
        "the provider's own code failed: its exception is in the message",
        "`gleitzeitctl logs NAME` has the traceback; it is for the provider's author to mend",
    ),
    "protocol": (
        "one side does not speak `gz/1` as the other does",
        "`gleitzeitctl version`: install the same on both; else it is a bug of ours or of that client",
    ),
    "internal": ("a mistake of ours", "the journal has it with its place: please report it"),
}


def codes() -> Iterator[tuple[object, ...]]:
    """A row for each: name, HTTP status, exit status, whether to try again, what it means, what helps."""
    for name, code in CODES.items():
        meaning, remedy = MEANS[name]
        yield f"`{name}`", code.http, code.exit, "yes" if code.retryable else "no", meaning, remedy

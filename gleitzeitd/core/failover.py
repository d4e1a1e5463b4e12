"""What becomes of a call that failed: again, elsewhere, by a fallback, or not at all.

Pure. What may have begun is never done twice unless it may be repeated, and nothing is once a part of the
answer was delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto

ATTEMPTS = 3
"""Times that one call is given to the instances of one target, in all."""

REFUSED = frozenset({"rate_limited", "overloaded", "no_instance"})
"""The instance did not begin it, and another may take it."""
TROUBLES = frozenset({"unavailable", "stalled", "protocol"})
"""The instance failed it: again at the budget's cost."""
UNDONE = REFUSED | {"context_too_long", "content_filtered", "not_found.model", "not_found.method"}
"""Who answers so did nothing, so that another may do it even when it must not be done twice."""
PASSING = frozenset({"rate_limited", "overloaded", "no_instance", "unavailable", "stalled", "instance_lost"})
"""What may be over elsewhere or later: the errors that `default` stands for."""
DEFAULT = "default"
CLASSES = (
    DEFAULT,
    *sorted(PASSING),
    *("content_filtered", "context_too_long", "not_found.model", "protocol", "provider_error", "too_large"),
)
"""The classes of errors that fallbacks may be named for."""


class Next(Enum):
    """What is to be done with a call that failed."""

    AGAIN = auto()
    """Give it to any instance, be it the same or one that takes its place."""
    AGAIN_ELSEWHERE = auto()
    """Give it to another instance of the same target."""
    FALLBACK = auto()
    """Give it to the next fallback."""
    GIVE_UP = auto()
    """Answer with the error."""


def after(
    code: str,
    *,
    may_repeat: bool,
    attempt: int,
    others: bool,
    affords: bool = True,
    falls_back: bool = False,
    delivered: bool = False,
) -> Next:
    """What becomes of a call after this error.

    `may_repeat`: it is idempotent. `attempt`: how often it was given to an instance of this target. `others`:
    another instance may take it. `affords`: the budget allows one more retry. `falls_back`: there is a
    fallback left for this error. `delivered`: its caller has a part of the answer.
    """
    if delivered or not (may_repeat or code in UNDONE):
        return Next.GIVE_UP
    if attempt < ATTEMPTS:
        if code == "instance_lost":
            return Next.AGAIN
        if others and (code in REFUSED or (code in TROUBLES and affords)):
            return Next.AGAIN_ELSEWHERE
    if falls_back:
        return Next.FALLBACK
    return Next.AGAIN if code in TROUBLES and affords and attempt < ATTEMPTS else Next.GIVE_UP


def fallbacks_for(fallbacks: Mapping[str, tuple[str, ...]], code: str) -> tuple[str, ...]:
    """The targets to be tried in their order after this error: of its class, else of `default`."""
    if code in fallbacks and code in CLASSES:
        return fallbacks[code]
    return fallbacks.get(DEFAULT, ()) if code in PASSING else ()

"""A connected provider: what it offers, which calls are with it, and how it is spoken to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.breaker import CLOSED, Breaker, called_off, is_open
from gleitzeitd.core.spec import Routing
from gleitzeitd.hub import clock
from gleitzeitd.hub.access.credentials import Origin
from gleitzeitd.hub.access.tokens import Grant
from gleitzeitd.hub.calls import Call
from gleitzeitd.hub.offers import Offer

Emit = Callable[[str, Any], Coroutine[Any, Any, None]]
RECENT = 0.2
"""The share of the newest call in a moving average."""
UNUSUAL = 4
"""Times the usual time that one call may count for at most."""


class Registration:
    """One connection of one provider. Only the hub writes here."""

    def __init__(
        self, sid: str, offer: Offer, grant: Grant, origin: Origin, routing: Routing, emit: Emit
    ) -> None:
        self.sid = sid
        self.offer = offer
        self.name = offer.name
        self.provider = offer.name
        self.grant = grant
        self.instance = grant.instance or offer.name
        """The name of the one process that it is the connection of."""
        self.origin = origin
        self.emit = emit
        self.ready = offer.ready
        self.why_not_ready = ""
        """By its own word."""
        self.draining = False
        self.degraded = False
        self.fit = True
        self.health: Mapping[str, Any] | None = None
        self.since = clock.now()
        self.calls: dict[str, Call] = {}
        self.outlived = 0
        """Calls that went on long after they were cancelled, until it behaved well for a while."""
        self.outlived_at = 0.0
        """When the last of them did; by the loop's clock."""
        self.given = 0
        """The number of the last call that it was given."""
        self.latency = 0.0
        """Seconds until it answers, as a moving average; 0: not known yet."""
        self.holding = 0.0
        """Seconds that a call holds a slot, likewise."""
        self.breaker: Breaker = CLOSED
        self.trouble: CallError | None = None
        """The last error that its breaker heard of."""
        self.heed(routing)

    def heed(self, routing: Routing) -> None:
        """Take over how it is to be called."""
        self.slots = routing.concurrency
        self.priority = routing.priority
        self.weight = routing.weight

    def remember(self, earlier: Registration) -> None:
        """What was learned on another connection to the same process; what was tried there is over."""
        self.latency, self.holding, self.trouble = earlier.latency, earlier.holding, earlier.trouble
        self.breaker = called_off(earlier.breaker)

    @property
    def load(self) -> int:
        """How many calls are with it."""
        return len(self.calls)

    @property
    def is_external(self) -> bool:
        return self.grant.instance is None

    @property
    def is_ready(self) -> bool:
        """Whether it is to be called at all, by its own word, its health and its ready check."""
        return self.ready and not self.degraded and self.fit

    @property
    def is_upright(self) -> bool:
        """Whether it would be given calls if it had a free slot and did not fail."""
        return self.is_ready and not self.draining

    def is_well(self, now: float) -> bool:
        """Whether it would be given calls now if it had a free slot."""
        return self.is_upright and (self.breaker is CLOSED or not is_open(self.breaker, now))

    def has_room(self, now: float) -> bool:
        """Whether it may be given one more call."""
        return (
            self.ready
            and not self.degraded
            and self.fit
            and not self.draining
            and len(self.calls) < self.slots
            and (self.breaker is CLOSED or not is_open(self.breaker, now))
        )

    def answered_in(self, seconds: float) -> None:
        """Count the time until an answer began."""
        self.latency += (seconds - self.latency) * (RECENT if self.latency else 1.0)

    def held_for(self, seconds: float) -> None:
        """Count the time that a call held its slot."""
        if self.holding:
            # A stream of an hour says little of how long the others take.
            seconds = min(seconds, self.holding * UNUSUAL)
        self.holding += (seconds - self.holding) * (RECENT if self.holding else 1.0)

    def result(self, data: Mapping[str, Any]) -> bool:
        """Take a `result`; True when a slot became free."""
        call = self.calls.pop(str(data.get("id")), None)
        if call is not None:
            call.result(data)
        # An answer to what was given up long ago is no mistake of the provider's.
        return call is not None

    def end(self, data: Mapping[str, Any]) -> bool:
        """Take an `end`; True when a slot became free."""
        call = self.calls.pop(str(data.get("id")), None)
        if call is not None:
            call.end(data)
        return call is not None

    def fail_all(self, error: CallError) -> None:
        for call in self.calls.values():
            call.fail(error)
        self.calls.clear()

"""How long a provider may go on with calls that nobody waits for: each of them holds a slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gleitzeit_extensions.protocol import CANCEL_GRACE
from gleitzeitd.hub import clock
from gleitzeitd.hub.calls import Call
from gleitzeitd.hub.registration import Registration


@dataclass(frozen=True, slots=True)
class Limits:
    grace: float = CANCEL_GRACE
    """Seconds that a call has to end once it was cancelled."""
    times: int = 3
    """Calls of one connection that outlive it, until the provider is replaced."""
    memory: float = 600.0
    """Seconds without another, after which they are forgotten."""
    stuck: float = 60.0
    """Seconds that every slot may be held by cancelled calls, be they such as cannot be interrupted."""


USUAL = Limits()


class Patience:
    def __init__(self, limits: Limits, replace: Callable[[Registration, str], None]) -> None:
        """`replace(registration, reason)`: it is of no more use."""
        self._limits = limits
        self._replace = replace

    def told(self, registration: Registration, number: str) -> None:
        """The provider was told to end this call."""
        call = registration.calls.get(number)
        if call is not None and call.given_up_at is None:
            loop = asyncio.get_running_loop()
            call.given_up_at = loop.time()
            loop.call_later(self._limits.grace, self._after_grace, registration, call)

    def _after_grace(self, registration: Registration, call: Call) -> None:
        if call.id not in registration.calls:
            return
        limits = self._limits
        later = limits.stuck - limits.grace
        asyncio.get_running_loop().call_later(later, self._after_long, registration, call)
        if call.lingers:
            return
        now = clock.now()
        if now - registration.outlived_at > limits.memory:
            registration.outlived = 0
        registration.outlived, registration.outlived_at = registration.outlived + 1, now
        if registration.outlived >= limits.times:
            what = f"{registration.outlived} calls went on for more than {limits.grace:g} s"
            self._replace(registration, f"{what} after they were cancelled")

    def _after_long(self, registration: Registration, last: Call) -> None:
        """Whoever was cancelled last knows whether the others were, too."""
        held = [call.given_up_at for call in registration.calls.values()]
        since = last.given_up_at
        if len(held) < registration.slots or last.id not in registration.calls or since is None:
            return
        if all(given_up is not None and given_up <= since for given_up in held):
            reason = (
                f"every slot is held by calls that were cancelled {self._limits.stuck:g} s ago or earlier"
            )
            self._replace(registration, reason)

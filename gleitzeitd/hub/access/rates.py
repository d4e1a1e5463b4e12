"""How many calls a token may make in a second: a bucket that fills at that rate, and is emptied by calls."""

from __future__ import annotations


class Bucket:
    """Full at first. It holds what one second brings, and at least one call."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._most = max(1.0, rate)
        self._left = self._most
        self._at = now

    def take(self, now: float) -> float:
        """Take one call out: 0.0; or, when there is none, the seconds until there is one."""
        self._left = min(self._most, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return (1 - self._left) / self.rate
        self._left -= 1
        return 0.0

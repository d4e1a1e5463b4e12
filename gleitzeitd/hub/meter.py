"""What the hub counts of its calls, for /metrics."""

from __future__ import annotations


class Meter:
    """Told by the router where something ends; asked by whoever is shown it."""

    def ended(self, provider: str, kind: str, code: str, seconds: float) -> None:
        """A caller's call is over. `kind`: invoke or stream; `code`: "ok" or that of its error."""

    def waited(self, provider: str, seconds: float) -> None:
        """A call was given to an instance after so long in the queue (0 for most)."""

    def first_chunk(self, provider: str, seconds: float) -> None:
        """Time from the call to the first items of a stream."""

    def items(self, provider: str, number: int) -> None:
        """So many items of streams were delivered."""

    def retried(self, provider: str, code: str) -> None:
        """A call was given to an instance again, after such an error."""

    def fell_back(self, provider: str, other: str) -> None:
        """A call went on to another provider by a fallback chain."""

    def turned_away(self, code: str) -> None:
        """Somebody was not let in: the code of the refusal."""

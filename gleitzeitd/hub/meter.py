"""What the hub counts of its calls, for whoever is shown it.

It stands in the way of every call, so counting costs a look-up and an addition. What it holds is bounded
by the providers that there are: what is asked of a name that nobody has is counted under `NOBODY`, and the
series of a provider that is gone go with it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from gleitzeit_extensions.protocol import CODES
from gleitzeitd.hub.tally import Tally

NOBODY = ""
"""Stands for every name that is no provider's."""
OTHER = "other"
"""Stands for every code that is not in the protocol: a provider may answer with words of its own."""
KNOWN = frozenset((*CODES, "ok"))
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""The upper bounds of a histogram's buckets: from a call that only passes through to the longest default."""


class Histogram:
    """How many of the observed seconds lie in each bucket, and their sum."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        """Of each bucket alone; the last is for what is beyond all bounds."""
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds


class Series:
    """What is counted of one provider. `kind` is invoke or stream, `code` is "ok" or that of an error."""

    __slots__ = ("calls", "durations", "fallbacks", "firsts", "items", "retries", "tallies", "waits")

    def __init__(self) -> None:
        self.calls: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By kind and code."""
        self.durations: defaultdict[str, Histogram] = defaultdict(Histogram)
        """By kind."""
        self.waits = Histogram()
        self.firsts = Histogram()
        self.items = 0
        self.retries: defaultdict[str, int] = defaultdict(int)
        """By code."""
        self.fallbacks: defaultdict[str, int] = defaultdict(int)
        """By the provider that the call went on to."""
        self.tallies: defaultdict[str, Tally] = defaultdict(Tally)
        """By the instance that had the call; by the provider where nobody did."""


class Meter:
    """Told by the router where something ends; asked by whoever is shown it."""

    def __init__(self, is_provider: Callable[[str], bool]) -> None:
        """`is_provider`: whether there is a provider of that name now."""
        self._is_provider = is_provider
        self._series: dict[str, Series] = {}
        self._nobody = Series()
        self._turned_away: defaultdict[str, int] = defaultdict(int)

    # What happens.
    def ended(self, provider: str, kind: str, code: str, seconds: float, instance: str, now: float) -> None:
        """A caller's call is over. `kind`: invoke or stream; `code`: "ok" or that of its error; `instance`:
        who had it last, or the provider's name when nobody did."""
        series = self._series.get(provider)
        if series is None:
            series = self._new(provider)
            instance = instance if series is not self._nobody else NOBODY
        series.calls[kind, code if code in KNOWN else OTHER] += 1
        series.durations[kind].observe(seconds)
        series.tallies[instance].ended(code, seconds, now)

    def waited(self, provider: str, seconds: float) -> None:
        """A call was given to an instance after so long in the queue (0 for most)."""
        (self._series.get(provider) or self._new(provider)).waits.observe(seconds)

    def first_chunk(self, provider: str, seconds: float) -> None:
        """Time from the call to the first items of a stream."""
        (self._series.get(provider) or self._new(provider)).firsts.observe(seconds)

    def items(self, provider: str, number: int) -> None:
        """So many items of streams were delivered."""
        (self._series.get(provider) or self._new(provider)).items += number

    def retried(self, provider: str, code: str) -> None:
        """A call was given to an instance again, after such an error."""
        series = self._series.get(provider) or self._new(provider)
        series.retries[code if code in KNOWN else OTHER] += 1

    def fell_back(self, provider: str, other: str) -> None:
        """A call went on to another provider by a fallback chain."""
        series = self._series.get(provider) or self._new(provider)
        series.fallbacks[other if self._is_provider(other) else NOBODY] += 1

    def turned_away(self, code: str) -> None:
        """Somebody was not let in: the code of the refusal."""
        self._turned_away[code if code in KNOWN else OTHER] += 1

    def _new(self, provider: str) -> Series:
        """The series of one that had none: the moment to drop those of who is gone."""
        if not self._is_provider(provider):
            return self._nobody
        self._series = {name: series for name, series in self._series.items() if self._is_provider(name)}
        return self._series.setdefault(provider, Series())

    # What is asked.
    def series(self) -> Iterator[tuple[str, Series]]:
        """By provider, in the order of their first calls; last what was asked of `NOBODY`."""
        yield from ((name, series) for name, series in self._series.items() if self._is_provider(name))
        yield NOBODY, self._nobody

    def refusals(self) -> Mapping[str, int]:
        """How many were not let in, by code."""
        return self._turned_away


def cumulative(counts: Sequence[int]) -> list[int]:
    """The counts of a histogram as those of everything up to each bound."""
    total = 0
    return [total := total + count for count in counts]

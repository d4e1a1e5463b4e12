"""Which of the instances that can take a call is given it, and whether a call may wait for one.

Pure: chance is an argument. The lowest `priority` goes first always, the strategy decides among equals.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from random import Random
from typing import Protocol, TypeVar

from gleitzeitd.core.spec import Strategy


class Place(Protocol):
    """An instance that can take a call, as far as choosing goes."""

    @property
    def instance(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def load(self) -> int:
        """Calls that are with it."""

    @property
    def slots(self) -> int:
        """Calls that it takes at once."""

    @property
    def priority(self) -> int: ...
    @property
    def weight(self) -> float:
        """More than 0."""

    @property
    def latency(self) -> float:
        """Seconds that it takes to answer, as a moving average; 0: not known yet."""

    @property
    def given(self) -> int:
        """The number of the last call that it was given, which grows from call to call; 0: none."""


P = TypeVar("P", bound=Place)
Rank = tuple[int | float | str | bytes, ...]
Key = Callable[[Place], Rank]
"""Of two, the one with the lesser rank is better. Ranks begin with the priority."""


def pick(free: Sequence[P], strategy: Strategy, session: str, random: Random) -> P:
    """The best of `free`, which is not empty. `session` is what `sticky` sticks to; "": nothing."""
    return free[0] if len(free) == 1 else min(free, key=KEYS[strategy](session, random))


def ranked(free: Sequence[P], strategy: Strategy, session: str, random: Random) -> list[P]:
    """All of `free`, the best first, as `pick` would choose them."""
    return sorted(free, key=KEYS[strategy](session, random))


def hopeless(ahead: int, slots: int, latency: float, left: float) -> float | None:
    """Seconds until a call would be taken that has `ahead` others before it, when that is more than is `left`
    of its time; None: it may wait. All `slots` are taken, by calls that last `latency` seconds (0: unknown).
    """
    takes = (ahead + 1) * latency / slots if slots else 0.0
    return takes if takes > left else None


# The hub knows how many calls each has, so the least busy is found exactly. To choose the better of two at
# random is for those who have to guess.
_least_busy = attrgetter("priority", "load", "given", "instance")
_longest_not_given = attrgetter("priority", "given", "instance")


def _by_latency(place: Place) -> Rank:
    latency, load = place.latency, place.load
    if latency:
        return (place.priority, 1, latency * (load + 1), place.given, place.instance)
    # One call is enough to find out; a burst of them could meet the slowest of all.
    return (place.priority, 2 if load else 0, load, place.given, place.instance)


def _in_order(place: Place) -> Rank:
    # By length first, so that #10 comes after #2.
    return (place.priority, place.provider, len(place.instance), place.instance)


def _at_random(random: Random) -> Key:
    return lambda place: (place.priority, random.random())


def _by_weight(random: Random) -> Key:
    # The first of several clocks that strike at these rates is each of them as often as its rate says.
    return lambda place: (place.priority, random.expovariate(place.weight))


def _by_session(session: str) -> Key:
    # By rendezvous hashing, so that when one goes, only its own sessions move.
    def rank(place: Place) -> Rank:
        both = f"{session}\0{place.instance}".encode(errors="surrogatepass")
        return (place.priority, hashlib.blake2b(both, digest_size=8).digest(), place.instance)

    return rank


KEYS: Mapping[Strategy, Callable[[str, Random], Key]] = {
    Strategy.LEAST_BUSY: lambda session, random: _least_busy,
    Strategy.ROUND_ROBIN: lambda session, random: _longest_not_given,
    Strategy.RANDOM: lambda session, random: _at_random(random),
    Strategy.WEIGHTED: lambda session, random: _by_weight(random),
    Strategy.LATENCY: lambda session, random: _by_latency,
    Strategy.PRIORITY: lambda session, random: _in_order,
    Strategy.STICKY: lambda session, random: _by_session(session) if session else _least_busy,
}

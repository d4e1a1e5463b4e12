"""A call that is to be given to somebody: for what, until when, and to whom not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gleitzeitd.core.targets import Target
from gleitzeitd.hub.calls import Call, anything
from gleitzeitd.hub.registration import Registration


@dataclass(frozen=True, slots=True)
class Wish:
    call: Call
    target: Target
    until: float
    """When nobody waits for a place any more."""
    session: str = ""
    method: str = ""
    """What it is for, when only those can answer who have that; "": anybody."""
    tried: tuple[Registration, ...] = ()
    """Who had the request before."""
    avoided: frozenset[Registration] = frozenset()
    """Those of them who were too busy for it, and did not say when they would not be."""
    has_way_out: Callable[[str], bool] = lambda code: False
    """Whether it has somewhere else to go after an error of that code, and need not wait for breakers."""
    may_see: Callable[[str], bool] = anything
    """Whether its caller may know of the provider, model or capability of that name."""

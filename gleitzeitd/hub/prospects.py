"""Whether a call that finds no free slot may wait for one, or is told at once why it would in vain."""

from __future__ import annotations

import math

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.core.breaker import is_open, opens_at
from gleitzeitd.core.routing import hopeless
from gleitzeitd.core.targets import By
from gleitzeitd.hub.directory import Directory
from gleitzeitd.hub.registration import Registration
from gleitzeitd.hub.routes import Route
from gleitzeitd.hub.wish import Wish


class Prospects:
    """Remembers nothing: it asks who is there, and how each of them stands."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def are_good(self, route: Route, now: float) -> bool:
        """Whether everybody may wait, as somebody is there who is only busy."""
        return any(place.is_well(now) for place in route.places)

    def why_late(self, route: Route, now: float) -> str:
        """Why nobody could take a call; nothing when those who could were only busy."""
        if self.are_good(route, now):
            return ""
        upright = [registration for registration in route.places if registration.is_upright]
        if upright:
            return _why_open(upright)
        if any(registration.degraded for registration in route.places):
            return "it says that it is degraded"
        if route.undecided:
            return f'"{route.lead}" has not said yet what it offers'
        reasons = (self._directory.standings.reason(hope) for hope in route.hopes)
        return next(filter(None, reasons), "it says that it is not ready")

    def why_not(self, route: Route, wish: Wish, now: float, *, was_known: bool = False) -> CallError | None:
        """None when a call may wait for its place."""
        standings, until = self._directory.standings, wish.until
        if route.resolution is None:
            if any(standings.is_coming(provider, until) for provider in route.undecided):
                return None
            if was_known and route.target.by is By.PROVIDER:
                return CallError("no_instance", f"{route.target} is not connected any more")
            return self._directory.missing(route.target, wish.may_see)
        upright = [registration for registration in route.places if registration.is_upright]
        shut = [registration for registration in upright if is_open(registration.breaker, now)]
        if len(shut) < len(upright):
            return None
        if shut:
            broken = _broken(route, shut, now)
            if wish.has_way_out(broken.code):
                return broken
            if _opens_in_time(shut, until):
                return None
            coming = any(standings.is_coming(hope, until) for hope in route.hopes)
            return None if coming else broken
        return self._why_nobody(route, until)

    def _why_nobody(self, route: Route, until: float) -> CallError | None:
        sentences = []
        for hope in route.hopes:
            is_external = self._directory.spec(hope) is None
            if is_external and any(place.name == hope for place in route.places):
                return None
            sentence = self._directory.standings.why_not(hope, until)
            if sentence is None:
                return None
            sentences.append(sentence)
        return CallError("no_instance", sentences[0] if sentences else f"nobody is there for {route.target}")

    def too_many(self, route: Route, until: float, now: float, ahead: int) -> CallError | None:
        """Why a call is refused at once that would otherwise wait for a free slot, behind `ahead` others."""
        busy = [place for place in route.places if place.is_well(now)]
        slots, known = sum(r.slots for r in busy), [r.holding for r in busy if r.holding]
        holding = sum(known) / len(known) if known else 0.0
        if ahead >= route.limit:
            sentence = f'{route.limit} calls wait for "{route.lead}" already: see routing.queue'
            return _overloaded(sentence, (ahead + 1) * holding / slots if slots else 0.0)
        takes = hopeless(ahead, slots, holding, until - now)
        if takes is None:
            return None
        sentence = f'all slots of "{route.lead}" are taken, and {ahead} calls wait for one'
        has = f"it would take about {takes:.2g} s, and this call has {until - now:.2g} s"
        return _overloaded(f"{sentence}: {has}", takes)


def _opens_in_time(shut: list[Registration], until: float) -> bool:
    """Whether one may be tried in time, or is being tried."""
    return any((at := opens_at(one.breaker)) < until or at == math.inf for one in shut)


def _overloaded(sentence: str, seconds: float) -> CallError:
    return CallError("overloaded", sentence, {"retry_after": round(max(seconds, 1.0), 1)})


def _broken(route: Route, shut: list[Registration], now: float) -> CallError:
    """Whoever could answer keeps failing: with what, and when it is worth another try."""
    first = min(shut, key=lambda registration: opens_at(registration.breaker))
    code = first.trouble.code if first.trouble else "unavailable"
    left = max(opens_at(first.breaker) - now, 0.001)
    if left == math.inf:
        return CallError(code, f"{_why_open(shut)}; one call is trying whether it is well again")
    sentence = f"{_why_open(shut)}; it is given no calls for another {left:.1f} s"
    return CallError(code, sentence, {"retry_after": round(left, 3)})


def _why_open(shut: list[Registration]) -> str:
    first = min(shut, key=lambda registration: opens_at(registration.breaker))
    said = f" ({first.trouble.message})" if first.trouble else ""
    return f'"{first.instance}" failed before{said}'

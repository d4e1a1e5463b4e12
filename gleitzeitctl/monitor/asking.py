"""What the view asks the daemon for: the looks, again when they stop; and what the shown page needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from gleitzeit_extensions.protocol import CallError
from gleitzeitctl.monitor import model
from gleitzeitctl.monitor.exchange import Exchange, LostError
from gleitzeitctl.monitor.facts import FACTS
from gleitzeitctl.monitor.model import KEPT_LINES, Page, State
from gleitzeitctl.render import duration

AGAIN = 1.0
"""Seconds until a daemon that is not there is asked again."""
SILENT = 3.5
"""Seconds without a look after which it is said."""


class Asking:
    """Every exchange that is under way, by what it is for."""

    def __init__(self, path: str, names: Iterable[str]) -> None:
        self._path = path
        self._looks = "/v1/monitor?" + urlencode([("every", 1), *(("name", name) for name in names)])
        self._open: dict[str, tuple[str, Exchange]] = {}
        self._done: dict[str, str] = {}
        """What is answered, by what it was for, so that it is not asked again."""
        self._heard = 0.0
        self._next = 0.0

    @property
    def exchanges(self) -> list[Exchange]:
        return [exchange for _, exchange in self._open.values()]

    def close(self) -> None:
        for exchange in self.exchanges:
            exchange.close()

    def step(self, state: State, now: float) -> State:
        """Ask for what is wanted and not asked for yet, and let go of what is not wanted any more."""
        wanted = _wanted(state)
        for purpose in [one for one in self._open if one in ("log", "stories", "offers")]:
            if wanted.get(purpose) != self._open[purpose][0]:
                self._close(purpose)
        self._done = {what: target for what, target in self._done.items() if wanted.get(what) == target}
        if state.order:
            body = {"names": [state.order], "wait": False}
            state = replace(self._begin(state, "restart", "/v1/restart", body), order="")
        if "looks" not in self._open and now >= self._next:
            self._heard, self._next = now, now + AGAIN
            state = self._begin(state, "looks", self._looks)
        elif "looks" in self._open and now - self._heard > SILENT:
            silence = f"the daemon has not answered for {duration(now - self._heard)}"
            state = _troubled(state, f"{silence}: what stands here is old")
        for purpose, target in wanted.items():
            if purpose not in self._open and self._done.get(purpose) != target and not state.trouble:
                state = self._begin(state, purpose, target)
        return state

    def take(self, state: State, exchange: Exchange, now: float) -> State:
        """What has come."""
        purpose = next(one for one, (_, other) in self._open.items() if other is exchange)
        try:
            if values := exchange.take():
                state = FACTS[purpose](state, values)
                self._heard = now if purpose == "looks" else self._heard
        except CallError as exc:
            return self._failed(state, purpose, exc.message)
        except LostError as exc:
            return self._failed(state, purpose, f"the daemon is gone ({exc})")
        if exchange.is_over:
            if purpose == "looks":
                return self._failed(state, purpose, "the daemon ends")
            self._done[purpose] = self._open[purpose][0]
            self._close(purpose)
        return state

    def _begin(self, state: State, purpose: str, target: str, body: dict[str, Any] | None = None) -> State:
        try:
            self._open[purpose] = (target, Exchange(self._path, target, body))
        except (OSError, ValueError) as exc:
            reason = getattr(exc, "strerror", None) or "it does not answer"
            return self._failed(state, purpose, f"the daemon is gone ({reason.lower()})")
        if purpose == "looks":
            # It may be another one, which knows more, or less.
            self._done.clear()
        return replace(state, log=()) if purpose == "log" else state

    def _failed(self, state: State, purpose: str, sentence: str) -> State:
        target = self._open[purpose][0] if purpose in self._open else ""
        self._close(purpose)
        if purpose == "looks":
            return _troubled(state, f"{sentence}: asked again every second")
        self._done[purpose] = target
        if purpose == "log":
            return model.printed(state, [f"({sentence})"])
        return replace(state, message=sentence)

    def _close(self, purpose: str) -> None:
        if purpose in self._open:
            self._open.pop(purpose)[1].close()


def _troubled(state: State, sentence: str) -> State:
    """The same state where that is said already: it need not be drawn again."""
    return state if state.trouble == sentence else replace(state, trouble=sentence)


def _wanted(state: State) -> dict[str, str]:
    """What the page needs: a target that has changed is asked for anew."""
    if state.page is Page.LOGS and state.subject:
        query = urlencode([("name", state.selected), ("n", KEPT_LINES), ("follow", 1)])
        return {"log": f"/v1/logs?{query}"}
    if state.page is Page.DETAILS:
        # A server does not mind what follows `#`, and here it says whether there is anything new.
        own = model.rows(state)
        is_new = "-".join(f"{one['generation']}{one['state']}{one['ready']}" for one in own)
        query = urlencode([("name", state.provider)])
        return {"stories": f"/v1/why?{query}&{is_new}", "offers": f"/v1/providers?{is_new}"}
    return {}

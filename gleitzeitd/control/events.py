"""What happened, for whoever looks later or as it happens: lives, reloads, and the daemon itself."""

from __future__ import annotations

import datetime
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

import anyio
from aiohttp import web
from multidict import MultiMapping

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.jsonlines import JsonLines
from gleitzeitd.control.names import chosen, is_pattern
from gleitzeitd.control.peers import rights
from gleitzeitd.processes.recorder import Entry, rfc3339
from gleitzeitd.processes.supervisor import Supervisor

KEPT = 1000
"""Events; the oldest leave first. So many may wait for one reader, too."""
Event = Mapping[str, Any]
Write = Callable[[dict[str, Any]], Awaitable[None]]


class Journal:
    """The newest events, and who follows them."""

    def __init__(self) -> None:
        self._life = secrets.token_hex(4)
        self._told = 0
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._followers: set[Follower] = set()

    def life(self, name: str, entry: Entry) -> None:
        """Something of an instance."""
        its = {"name": name, "state": entry.state, "generation": entry.generation}
        self._tell({"time": entry.time, **its, "what": entry.what, "evidence": list(entry.evidence)})

    def house(self, what: str, evidence: Iterable[str] = ()) -> None:
        """Something of the daemon or of its config."""
        time = rfc3339(datetime.datetime.now(datetime.UTC))
        own = {"name": None, "state": None, "generation": None}
        self._tell({"time": time, **own, "what": what, "evidence": list(evidence)})

    def newest(self, count: int, fits: Callable[[Event], bool]) -> list[Event]:
        """The last of those that fit, oldest first."""
        found = [event for event in self._kept if fits(event)]
        return found[max(len(found) - count, 0) :]

    def after(self, cursor: str, fits: Callable[[Event], bool]) -> list[Event]:
        """What came after the event with this cursor; where some have left already, how many.

        All that is kept when the cursor is of another life of the daemon.
        """
        life, _, number = cursor.partition("-")
        seen = int(number) if life == self._life and number.isdecimal() else 0
        here = list(self._kept)[max(seen - self._told, -len(self._kept)) :] if seen < self._told else []
        gone = self._told - seen - len(here) if seen else 0
        missed: list[Event] = [{"missed": gone}] if gone > 0 else []
        return missed + [event for event in here if fits(event)]

    def follow(self, follower: Follower) -> None:
        self._followers.add(follower)

    def leave(self, follower: Follower) -> None:
        self._followers.discard(follower)

    def _tell(self, event: Event) -> None:
        self._told += 1
        event = {**event, "cursor": f"{self._life}-{self._told}"}
        self._kept.append(event)
        for follower in self._followers:
            follower.offer(event)


class Follower:
    """One reader of what happens. What it is too slow for is counted."""

    def __init__(self, fits: Callable[[Event], bool]) -> None:
        self._fits = fits
        self._waiting: deque[Event] = deque()
        self._missed = 0
        self._news = anyio.Event()

    def offer(self, event: Event) -> None:
        if not self._fits(event):
            return
        if self._missed or len(self._waiting) >= KEPT:
            self._missed += 1
        else:
            self._waiting.append(event)
        self._news.set()

    async def take(self) -> Event:
        """The next; where some were missed, how many."""
        while not self._waiting and not self._missed:
            self._news = anyio.Event()
            await self._news.wait()
        if self._waiting:
            return self._waiting.popleft()
        missed, self._missed = self._missed, 0
        return {"missed": missed}


class EventRoutes:
    def __init__(self, journal: Journal, supervisor: Supervisor) -> None:
        self._journal, self._supervisor = journal, supervisor

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/events", self._events)]

    async def _events(self, request: web.Request) -> web.StreamResponse:
        rights(request).demand_look()
        fits, count = self._fitting(request.query), _count(request.query)
        follower = Follower(fits)
        cursor = request.query.get("after")
        past = self._journal.newest(count, fits) if cursor is None else self._journal.after(cursor, fits)
        # in the same step, so that nothing falls between the two, nor into both
        if request.query.get("follow") == "1":
            self._journal.follow(follower)
        try:
            async with JsonLines.answering(request) as lines:
                for event in past:
                    await lines.write(dict(event))
                while request.query.get("follow") == "1":
                    await lines.write(dict(await follower.take()))
            return lines.response
        finally:
            self._journal.leave(follower)

    def _fitting(self, query: MultiMapping[str]) -> Callable[[Event], bool]:
        """Of all, or of those that are named now, and those that come later and are like a pattern."""
        names = query.getall("name", [])
        if not names or "all" in names:
            return lambda event: True
        meant = set(chosen(self._supervisor, names))
        patterns = [name for name in names if is_pattern(name)]

        def fits(event: Event) -> bool:
            name = event["name"]
            is_like = name is not None and any(fnmatchcase(name, pattern) for pattern in patterns)
            return is_like or name in meant

        return fits


def _count(query: Mapping[str, str]) -> int:
    with suppress(ValueError):
        if 0 <= (count := int(query.get("n", "50"))) <= KEPT:
            return count
    raise CallError("invalid_request", f"`n` must be a number of events, at most {KEPT}")

"""What sites ask of programs: their robots.txt, read by the standard library and kept for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.robotparser import RobotFileParser

from yarl import URL

from gleitzeit_extensions import CallError

KEPT_FOR = 3600.0
"""Seconds that one is taken for what its site still says."""

KEPT_SITES, KEPT_BYTES = 1000, 2 * 1024 * 1024
"""Of all sites together; rules take about twenty times the memory of their text."""

LARGEST = 500 * 1024
"""Bytes that are read of one, as RFC 9309 wants at least."""

Read = Callable[[URL], Awaitable[tuple[int, bytes]]]
"""The status and the body of what is there; raises CallError where nothing can be had."""


class Robots:
    """Whether a program of this name may fetch a URL."""

    def __init__(self, user_agent: str, read: Read) -> None:
        self._user_agent, self._read = user_agent, read
        self._known: OrderedDict[URL, tuple[float, RobotFileParser, int]] = OrderedDict()

    async def allow(self, url: URL) -> bool:
        """Raises CallError when its site does not say."""
        site = url.origin()
        until, rules, _ = self._known.get(site, (0.0, None, 0))
        if rules is None or until < time.monotonic():
            text = await self._text(site)
            rules = _parsed(text)
            self._known[site] = time.monotonic() + KEPT_FOR, rules, len(text)
            self._forget()
        return rules.can_fetch(self._user_agent, str(url))

    def _forget(self) -> None:
        """The oldest, as far as there are too many."""
        while len(self._known) > KEPT_SITES or sum(size for *_, size in self._known.values()) > KEPT_BYTES:
            self._known.popitem(last=False)

    async def _text(self, site: URL) -> str:
        status, body = await self._read(site / "robots.txt")
        if 200 <= status < 300:
            return body.decode("utf-8-sig", errors="replace")
        if 400 <= status < 500:
            return ""  # a site that has none allows all
        sentence = f"{site / 'robots.txt'} was answered with {status}, so nothing of the site is fetched now"
        raise CallError("provider_error", sentence)


def _parsed(text: str) -> RobotFileParser:
    rules = RobotFileParser()
    try:
        rules.parse(text.splitlines())
    except ValueError:  # it raises on what looks like a broken URL
        rules = RobotFileParser()
        rules.parse(["User-agent: *", "Disallow: /"])
    return rules

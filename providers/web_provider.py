"""Pages of the web: fetched, their articles, elements and links."""

from __future__ import annotations

import base64
import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from gleitzeit_extensions import CallError, InvalidRequest, SocketIOProviderClient, current_call, idempotent
from gleitzeit_extensions.version import VERSION
from providers import web_charsets
from providers.addresses import Addresses
from providers.web_reader import WebReader

if TYPE_CHECKING:
    from yarl import URL

    from providers.web_client import Answer, WebClient
    from providers.web_robots import Robots

Item = dict[str, Any]

Format = Literal["auto", "text", "json", "base64"]

LARGEST_BODY = 10_000_000
"""Bytes: as base64 it still fits into a frame."""

MOST_ITEMS = 1000


class WebProvider(SocketIOProviderClient):
    """Public pages of the web, as far as their robots.txt allows: the page, its article, elements, links."""

    checks_config = True

    def __init__(
        self,
        *,
        allow_private: list[str] | None = None,
        ports: list[int] | None = None,
        respect_robots: bool = True,
        user_agent: str = f"gleitzeit/{VERSION}",
        max_bytes: int = 5_000_000,
        timeout: float = 20.0,
        **kwargs: Any,
    ) -> None:
        """Nothing is asked of anybody before the first call.

        Args:
            allow_private: Hosts, addresses and networks that may be fetched although they are not public,
                such as `wiki.internal` or `10.1.0.0/16`. Who may call this provider may read them.
            ports: The ports that may be asked; 80 and 443 unless given.
            respect_robots: Whether a page that the robots.txt of its site forbids is left alone.
            user_agent: How it calls itself, to sites and to their robots.txt.
            max_bytes: How much of a page is read, after decompressing; at most 10,000,000.
            timeout: Seconds that a page may take, with its robots.txt and redirects.
        """
        kwargs.setdefault("provider_type", "tool")
        kwargs.setdefault("capabilities", ["web"])
        kwargs.setdefault("description", "Pages of the web: fetch, extract, select, links")
        super().__init__(**kwargs)
        if missing := [name for name in ("selectolax", "trafilatura") if find_spec(name) is None]:
            raise ImportError(f"needs the package {missing[0]}: pip install 'gleitzeitd[web]'")
        if not 0 < max_bytes <= LARGEST_BODY:
            raise ValueError(f"max_bytes is {max_bytes}: it is from 1 to {LARGEST_BODY}")
        if not timeout > 0:
            raise ValueError(f"timeout is {timeout}: it is more than 0")
        if not user_agent.isprintable() or not user_agent.isascii() or not user_agent.strip():
            raise ValueError("user_agent is a line of ASCII text")
        self._addresses = Addresses(allow_private or [], ports if ports is not None else [80, 443])
        self._respects, self._user_agent = respect_robots, user_agent
        self._most, self._timeout = max_bytes, timeout
        self._reader = WebReader()
        self._client: WebClient | None = None
        self._robots: Robots | None = None

    @idempotent
    async def fetch(self, url: str, format: Format = "auto") -> Item:
        """What is at a URL: `{url, status, headers, format, body, truncated}`, whatever the status.

        Args:
            url: where, beginning with http:// or https://; `url` of the answer is where redirects led to
            format: how `body` is wanted: text, json or base64; auto goes by the type that the site says
        """
        answer = await self._got(url)
        kind = _format(answer) if format == "auto" else format
        known = {"url": str(answer.url), "status": answer.status, "headers": answer.headers}
        return {**known, "format": kind, "body": _body(answer, kind), "truncated": answer.truncated}

    @idempotent
    async def extract(self, url: str) -> Item:
        """The main text of a page: `{url, title, author, date, sitename, description, text, truncated}`.

        `text` is empty where there is no article; what is not known of it is null.
        """
        return await self._read("article", url)

    @idempotent
    async def select(
        self,
        url: str,
        css: str,
        give: Literal["text", "html", "attributes"] = "text",
        limit: int = 100,
    ) -> Item:
        """The elements of a page that a CSS selector finds: `{url, items, truncated}`.

        Args:
            css: the selector, such as `table.prices td:first-child`
            give: what of each is wanted: its text, its html, or an object of its attributes
            limit: how many at most, up to 1000
        """
        return await self._read("select", url, css=css, give=give, limit=_limit(limit))

    @idempotent
    async def links(self, url: str, limit: int = MOST_ITEMS) -> Item:
        """Where a page links to, each once: `{url, items: [{url, text}], truncated}`.

        Args:
            limit: how many at most, up to 1000
        """
        return await self._read("links", url, limit=_limit(limit))

    async def on_disconnected(self) -> None:
        client, self._client, self._robots = self._client, None, None
        if client:
            await client.close()

    async def _read(self, reader: str, url: str, **how: Any) -> Item:
        answer = await self._got(url)
        if answer.status >= 300:
            raise _failed(f"{answer.url.host} answered {url:.200} with {answer.status}")
        kind = answer.headers.get("content-type", "text/html")
        if _format(answer) != "text":
            raise InvalidRequest(f"{url:.200} is {kind:.100}, which is no page: `fetch` gives it as it is")
        html = web_charsets.text(answer.body, kind)
        found = await self._reader.read(reader, html, str(answer.url), **how)
        found["truncated"] = found["truncated"] or answer.truncated
        return {"url": str(answer.url), **found}

    async def _got(self, url: str) -> Answer:
        call = current_call()
        left = call.seconds_left if call else None
        within = self._timeout if left is None else min(self._timeout, left)
        return await self._opened().get(url, self._most, within, self._ask_robots)

    async def _ask_robots(self, url: URL) -> None:
        if self._robots and not await self._robots.allow(url):
            raise InvalidRequest(f"the robots.txt of {url.host} asks programs not to fetch {url!s:.200}")

    async def _robots_txt(self, url: URL) -> tuple[int, bytes]:
        from providers import web_robots

        answer = await self._opened().get(str(url), web_robots.LARGEST, self._timeout, _anything)
        return answer.status, answer.body

    def _opened(self) -> WebClient:
        if self._client is None:
            from providers.web_client import WebClient
            from providers.web_robots import Robots

            self._client = WebClient(self._addresses, self._user_agent)
            self._robots = Robots(self._user_agent, self._robots_txt) if self._respects else None
        return self._client


async def _anything(url: URL) -> None:
    """No robots.txt says who may read it."""


def _limit(given: int) -> int:
    if not 0 < given <= MOST_ITEMS:
        raise InvalidRequest(f"limit is from 1 to {MOST_ITEMS}, not {given}")
    return given


def _format(answer: Answer) -> Literal["text", "json", "base64"]:
    kind = answer.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return "json"
    is_text = kind.startswith("text/") or kind.endswith(("/xml", "+xml", "/javascript"))
    return "text" if is_text else "base64"


def _body(answer: Answer, kind: str) -> Any:
    if kind == "base64":
        return base64.b64encode(answer.body).decode()
    said = web_charsets.text(answer.body, answer.headers.get("content-type", ""))
    if kind == "text":
        return said
    if answer.truncated:
        raise InvalidRequest(
            f"the JSON of {answer.url!s:.200} is longer than `max_bytes` in the config allows"
        )
    try:
        return json.loads(said, parse_constant=_no_number)
    except (ValueError, RecursionError) as exc:
        raise _failed(f"{answer.url!s:.200} is not JSON: {exc}; `format` text gives it as it is") from exc


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")


def _failed(sentence: str) -> CallError:
    return CallError("provider_error", sentence)

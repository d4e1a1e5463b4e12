"""What is in a page. Runs as a process of its own: JSON on stdin, JSON on stdout, see `web_reader`.

Two megabytes of nested tags keep a parser busy for minutes, without letting go of Python's lock; so whoever
reads pages of strangers has to be able to kill what reads them. Nothing of gleitzeit is imported here.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

MEMORY = 1024**3
"""Bytes of address space."""

CPU_SECONDS = 20

LARGEST_ANSWER = 2_000_000
"""Characters of what is found."""

Found = dict[str, Any]


def article(html: str, url: str) -> Found:
    from trafilatura import bare_extraction
    from trafilatura.settings import Document

    found = bare_extraction(html, url=url, with_metadata=True)
    known = found if isinstance(found, Document) else Document()
    text = known.text or ""
    return {
        **{name: getattr(known, name) for name in ("title", "author", "date", "sitename", "description")},
        "text": text[:LARGEST_ANSWER],
        "truncated": len(text) > LARGEST_ANSWER,
    }


def select(html: str, url: str, css: str, give: str, limit: int) -> Found:
    from selectolax.lexbor import LexborHTMLParser

    try:
        nodes = LexborHTMLParser(html).css(css)
    except Exception as exc:  # its own classes differ from release to release
        return {"refused": f"{css!r:.200} is no CSS selector: {exc}"}
    return _some(nodes, limit, lambda node: _given(node, give))


def links(html: str, url: str, limit: int) -> Found:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    base = tree.css_first("base[href]")
    start = _joined(url, base.attributes["href"] if base else "") or url
    found = {
        to: " ".join(node.text().split())[:500]
        for node in reversed(tree.css("a[href], area[href]"))
        if (to := _joined(start, node.attributes["href"]))
    }
    return _some(list(reversed(found.items())), limit, lambda one: {"url": one[0], "text": one[1]})


def _given(node: Any, give: str) -> Any:
    if give == "attributes":
        return dict(node.attributes)
    return (node.html or "") if give == "html" else " ".join(node.text().split())


def _joined(base: str, href: str | None) -> str | None:
    """The address of a link, without the place in its page; None for what is not of the web."""
    try:
        whole = urljoin(base, (href or "").strip()).partition("#")[0]
        parts = urlsplit(whole)
        return whole if parts.scheme in ("http", "https") and parts.hostname else None
    except ValueError:
        return None


def _some(everything: list[Any], limit: int, made: Any) -> Found:
    """The first ones, as many as are wanted and fit."""
    items: list[Any] = []
    room = LARGEST_ANSWER
    for one in everything[:limit]:
        item = made(one)
        room -= len(json.dumps(item, ensure_ascii=False))
        if room < 0:
            break
        items.append(item)
    return {"items": items, "truncated": len(items) < len(everything)}


READERS: dict[str, Callable[..., Found]] = {"article": article, "select": select, "links": links}


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wanted = json.load(sys.stdin)
    json.dump(READERS[wanted.pop("reader")](**wanted), sys.stdout)


if __name__ == "__main__":
    main()

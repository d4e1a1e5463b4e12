"""What Anthropic's API answers: events of a stream, and refusals."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import aiohttp

from gleitzeit_extensions import InvalidRequest, RateLimited, Unavailable

OVERLOADED = 529


async def texts(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    """The pieces of text of a stream. Raises Unavailable where it breaks off with an error."""
    async for line in response.content:
        kind, _, told = line.decode().partition(":")
        if kind != "data":
            continue
        event = json.loads(told)
        if event["type"] == "error":
            raise Unavailable(f"Claude broke off: {event['error']['message']}")
        if event["type"] == "content_block_delta" and "text" in event["delta"]:
            yield event["delta"]["text"]


async def refuse(response: aiohttp.ClientResponse) -> None:
    """Raise what an answer that is no success means for the call."""
    if response.status < 400:
        return
    sentence = f"Claude answered {response.status}: {(await response.text())[:500]}"
    wait = response.headers.get("Retry-After", "")
    after = float(wait) if wait.isdecimal() else None
    if response.status == 429:
        raise RateLimited(sentence, after)
    if response.status >= 500:
        raise Unavailable(sentence, after)
    raise InvalidRequest(sentence)

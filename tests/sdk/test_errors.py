"""What an author raises, and what the hub is told."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from gleitzeit_extensions import (
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Unavailable,
)
from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import serving

pytestmark = pytest.mark.anyio


async def raised(hub: FakeHub, error: Exception) -> CallError:
    class Fails(SocketIOProviderClient):
        async def fail(self) -> None:
            raise error

    async with serving(Fails("fails", server_url=hub.url), hub):
        return await hub.fails("fail")


@pytest.mark.parametrize(
    ("error", "code", "detail"),
    [
        (RateLimited("slow down"), "rate_limited", {}),
        (RateLimited("slow down", retry_after=1.5), "rate_limited", {"retry_after": 1.5}),
        (Unavailable("slow down", 0), "unavailable", {"retry_after": 0}),
        (ContextTooLong("slow down"), "context_too_long", {}),
        (ContentFiltered("slow down"), "content_filtered", {}),
        (InvalidRequest("slow down"), "invalid_request", {}),
    ],
)
async def test_the_author_s_errors_have_codes(
    hub: FakeHub, error: CallError, code: str, detail: dict[str, Any]
) -> None:
    told = await raised(hub, error)

    assert (told.code, told.message, told.detail) == (code, "slow down", detail)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "refused"), "ConnectionRefusedError: [Errno 111] refused"),
        (TimeoutError("upstream is slow"), "TimeoutError: upstream is slow"),
        (aiohttp.ServerDisconnectedError("gone"), "ServerDisconnectedError: gone"),
        (aiohttp.ClientConnectionError("no way"), "ClientConnectionError: no way"),
    ],
)
async def test_what_cannot_reach_its_upstream_is_unavailable_in_its_own_words(
    hub: FakeHub, error: Exception, words: str
) -> None:
    told = await raised(hub, error)

    assert (told.code, told.message) == ("unavailable", words)
    assert told.detail == {"type": type(error).__name__}
    assert told.meaning.retryable


@pytest.mark.parametrize("error", [FileNotFoundError(2, "no file"), ValueError("no"), aiohttp.ClientError()])
async def test_any_other_exception_is_the_provider_s_own(hub: FakeHub, error: Exception) -> None:
    assert (await raised(hub, error)).code == "provider_error"

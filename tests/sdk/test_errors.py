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
from gleitzeit_extensions.client import errors
from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient
from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import serving

pytestmark = pytest.mark.anyio


async def raised(hub: FakeHub, error: BaseException) -> CallError:
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


@pytest.mark.parametrize(
    ("theirs", "code"),
    [
        (errors.InstanceLost("instance_lost", '"b" died'), "unavailable"),
        (errors.NoInstance("no_instance", '"b" is stopped'), "unavailable"),
        (errors.Overloaded("overloaded", "too many wait"), "unavailable"),
        (errors.Unreachable("no daemon listens"), "unavailable"),
        (errors.InvalidRequest("invalid_request", "it takes no b"), "provider_error"),
        (errors.NotFound("not_found.method", "it has no such method"), "provider_error"),
        (errors.ProviderFailed("provider_error", "ValueError: no"), "provider_error"),
    ],
)
async def test_how_a_call_to_another_provider_failed_is_not_said_of_this_one(
    hub: FakeHub, theirs: errors.ClientError, code: str
) -> None:
    told = await raised(hub, theirs)

    assert (told.code, told.message) == (code, f"{type(theirs).__name__}: {theirs.message}")
    assert told.detail == {"type": type(theirs).__name__, "code": theirs.code}


async def test_when_another_provider_may_be_tried_again_is_handed_on(hub: FakeHub) -> None:
    told = await raised(
        hub, errors.error("rate_limited", "slow down", {"retry_after": 3, "stderr": ["secret"]})
    )

    assert told.detail == {"type": "RateLimited", "code": "rate_limited", "retry_after": 3}


@pytest.mark.parametrize("error", [GeneratorExit(), BaseExceptionGroup("", [GeneratorExit()]), SystemExit(3)])
async def test_a_call_is_answered_whatever_its_method_raises(hub: FakeHub, error: BaseException) -> None:
    assert (await raised(hub, error)).code == "provider_error"


async def test_what_fails_in_a_task_group_is_told_as_if_there_were_none(hub: FakeHub) -> None:
    told = await raised(hub, ExceptionGroup("unhandled errors", [RateLimited("slow down")]))

    assert (told.code, told.message) == ("rate_limited", "slow down")


async def test_of_a_group_of_errors_each_is_told(hub: FakeHub) -> None:
    told = await raised(hub, ExceptionGroup("both failed", [ValueError("no"), KeyError("x")]))

    assert (told.code, told.message) == (
        "provider_error",
        "ExceptionGroup: both failed: ValueError: no; KeyError: 'x'",
    )

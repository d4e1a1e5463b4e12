"""What `status` says of a provider that is connected and given no calls."""

from __future__ import annotations

import anyio
import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeitd.control.views import _external
from gleitzeitd.core.breaker import Breaker
from tests.hub.peers import site, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """python-socketio runs on asyncio alone."""
    return "asyncio"


async def test_an_external_provider_that_is_given_no_calls_says_why() -> None:
    async with site() as hub:
        provider = await hub.provider("guest")
        (registration,) = hub.hub.registry.registrations("guest")

        def reason() -> str:
            return str(_external(registration, anyio.current_time())["reason"])

        assert reason() == ""
        await provider.say("not_ready", {"reason": "asked to pause"})
        await until(lambda: reason() == "it says that it is not ready: asked to pause")
        await provider.say("ready", {})
        await until(lambda: reason() == "")
        registration.trouble = CallError("rate_limited", "429 Too Many Requests")
        registration.breaker = Breaker(until=anyio.current_time() + 60, span=60)
        assert reason().startswith("its breaker is open for another ")
        assert reason().endswith("after: 429 Too Many Requests")

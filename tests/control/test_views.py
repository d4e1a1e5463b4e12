"""What `status` and `why` say of a provider that others started."""

from __future__ import annotations

import os

import anyio
import pytest

from gleitzeit_extensions.protocol import PROVIDERS, CallError
from gleitzeitd.control.stories import _guest
from gleitzeitd.control.views import _external
from gleitzeitd.core.breaker import Breaker
from gleitzeitd.hub.access.scopes import Scope
from gleitzeitd.hub.access.tokens import Grant, digest
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


async def test_the_story_of_an_external_provider_is_that_of_its_connection() -> None:
    async with site() as hub:
        tokens = hub.hub.registry.tokens
        tokens.add(Grant(name="lab", scopes=(Scope.read("provide:*"),)), digest("the lab's"))
        near = await hub.provider("near")
        far = await hub.peer(PROVIDERS, "the lab's", tcp=True)
        await far.register(name="far")
        await near.say("not_ready", {"reason": "asked to pause"})
        (one,) = hub.hub.registry.registrations("near")
        (other,) = hub.hub.registry.registrations("far")
        await until(lambda: not one.ready)

        story = _guest(one, one.since + 5)
        assert (story["state"], story["since"], story["pid"]) == ("RUNNING", 5, os.getpid())
        assert story["reason"] == "it says that it is not ready: asked to pause"
        assert story["next"].startswith("It is given calls again when that is over")
        assert story["history"][0]["what"] == "registered from the Unix socket, with this machine's token"

        story = _guest(other, other.since)
        assert (story["pid"], story["reason"]) == (None, "")
        assert story["next"].startswith("It is given calls, for as long as it stays connected")
        begun = story["history"][0]["what"]
        assert begun.startswith("registered from 127.0.0.1:")
        assert begun.endswith(', with the token "lab"')

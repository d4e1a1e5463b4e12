from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.sdk.fake_hub import FakeHub, a_hub


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def hub(anyio_backend: str) -> AsyncIterator[FakeHub]:
    async with a_hub() as hub:
        yield hub


@pytest.fixture(autouse=True)
def _no_daemon_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that runs here must not lend the tests its token or address."""
    for name in ("GLEITZEIT_TOKEN", "GLEITZEIT_SOCKET", "GLEITZEIT_HUB_URL", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GLEITZEIT_SOCKET", "/nonexistent/gleitzeitd.sock")

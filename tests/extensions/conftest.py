from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_daemon_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLEITZEIT_TOKEN", "GLEITZEIT_HUB_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GLEITZEIT_SOCKET", "/nonexistent/gleitzeitd.sock")

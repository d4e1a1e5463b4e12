from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from gleitzeitd.processes.containment import strays

PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def subreaper() -> Iterator[None]:
    """What loses its parent becomes a child of the tests' process, as it would become the daemon's."""
    strays.become_subreaper()
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

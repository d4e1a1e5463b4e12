import pytest


@pytest.fixture
def anyio_backend() -> str:
    """python-socketio runs on asyncio alone."""
    return "asyncio"

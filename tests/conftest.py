"""For the tests of every package."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests stay until the end: whoever looks for garbage need not look through them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that anybody may enter."""
    path = Path(tempfile.mkdtemp(prefix="gz-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)

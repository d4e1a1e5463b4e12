"""What importing costs: an author's file, and a command that only reads a constant, start at once."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from tests.sdk.subjects import ROOT

HEAVY = {"aiohttp", "socketio", "engineio", "pydantic", "docstring_parser"}


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return set(done.stdout.split())


def seconds(code: str) -> float:
    """Processor time of the quickest of several starts: what else the machine does can only add to it."""

    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(5))


def test_the_package_itself_loads_nothing() -> None:
    assert loaded("import gleitzeit_extensions") - loaded("pass") == {"gleitzeit_extensions"}


@pytest.mark.parametrize(
    "code",
    [
        "from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient",
        "from gleitzeit_extensions import SocketIOProviderClient; SocketIOProviderClient('x')",
        "from gleitzeit_extensions import RateLimited, current_call, idempotent",
        "from providers.echo_provider import EchoProvider",
    ],
)
def test_a_provider_s_file_loads_no_connection(code: str) -> None:
    assert loaded(code).isdisjoint(HEAVY)


def test_an_unknown_name_is_an_attribute_error() -> None:
    import gleitzeit_extensions

    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = gleitzeit_extensions.Nothing
    assert "SocketIOProviderClient" in dir(gleitzeit_extensions)


def test_importing_the_base_class_is_quick() -> None:
    bare, asyncio = seconds("pass"), seconds("import asyncio")

    # a busy machine slows all of them
    assert seconds("import gleitzeit_extensions.socketio_provider_client") - bare < max(0.06, asyncio - bare)

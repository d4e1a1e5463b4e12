"""The reference MCP servers as providers of a real daemon: by stdio and HTTP, and killed under calls."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from gleitzeit_extensions import CallError
from gleitzeit_extensions.client import SyncClient
from tests.house import House, eventually, house
from tests.services.mcp import EVERYTHING, FILESYSTEM, NODE, Site, everything_at_a_url, modern_at_a_url

CLASS = "providers.mcp_provider.MCPProvider"


@pytest.fixture(scope="module")
def everything_site() -> Iterator[Site]:
    with everything_at_a_url() as site:
        yield site


@pytest.fixture(scope="module")
def modern_site() -> Iterator[Site]:
    with modern_at_a_url() as site:
        yield site


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    (root / "note.txt").write_text("a note")
    return root


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, everything_site: Site, modern_site: Site, files: Path
) -> Iterator[House]:
    configs: dict[str, Any] = {
        "everything": {"command": [NODE, EVERYTHING]},
        "files": {"command": [NODE, FILESYSTEM, str(files)]},
        "web": {"url": everything_site.url},
        "modern": {"url": modern_site.url},
    }
    providers: dict[str, Any] = {name: {"class": CLASS, "config": config} for name, config in configs.items()}
    # It takes its time to fail while the others are called.
    providers["silent"] = {
        "class": CLASS,
        "config": {"command": ["sleep", "1000"]},
        "start_timeout": 5,
        "restart": {"policy": "never"},
    }
    with house(tmp_path_factory.mktemp("house"), providers) as h:
        for name in configs:
            h.until(name, "RUNNING")
        yield h


def a_client(h: House, monkeypatch: pytest.MonkeyPatch) -> SyncClient:
    monkeypatch.setenv("GLEITZEIT_SOCKET", str(h.socket))
    return SyncClient()


def server_of(h: House, name: str) -> psutil.Process:
    """The process that the provider started."""
    return next(iter(psutil.Process(h.view(name)["pid"]).children()))


@pytest.mark.parametrize("name", ["everything", "web"])
def test_tools_resources_and_prompts_of_a_reference_server(running: House, name: str) -> None:
    assert running.invoke(name, "echo", {"message": "hello"}) == "Echo: hello"
    assert running.invoke(name, "get-structured-content", {"location": "Chicago"})["humidity"] == 82
    blocks = running.invoke(name, "get-tiny-image", {})
    assert [block["type"] for block in blocks] == ["text", "image", "text"]
    found = running.invoke(name, "list_resources", {})["resources"]
    assert running.invoke(name, "read_resource", {"uri": found[0]["uri"]})["contents"][0]["text"]
    assert running.invoke(name, "list_resource_templates", {})["templates"]
    assert "args-prompt" in [prompt["name"] for prompt in running.invoke(name, "list_prompts", {})["prompts"]]
    filled = running.invoke(name, "get_prompt", {"name": "args-prompt", "arguments": {"city": "Ulm"}})
    assert "Ulm" in filled["messages"][0]["content"]["text"]
    with pytest.raises(Exception, match=r"[Ii]nvalid"):
        running.invoke(name, "get-sum", {"a": "one"})


@pytest.mark.parametrize("name", ["everything", "web"])
def test_a_long_operation_tells_its_progress_and_can_be_left(
    running: House, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_client(running, monkeypatch) as client:
        slow = "trigger-long-running-operation"
        items = list(client.stream(name, slow, {"duration": 0.2, "steps": 4}))
        assert [item["progress"] for item in items[:-1]] == [1, 2, 3, 4]
        assert items[-1]["done"] is True
        assert "completed" in items[-1]["result"]

        began = time.monotonic()
        long = {"duration": 60, "steps": 600}
        with client.stream(name, slow, long) as stream:
            next(iter(stream))
        with pytest.raises(CallError, match="within"):
            client.with_options(timeout=0.2).invoke(name, slow, long)
        assert client.invoke(name, "echo", message="still here") == "Echo: still here"
        assert time.monotonic() - began < 5


def test_the_filesystem_server_reads_and_refuses(running: House, files: Path) -> None:
    answer = running.invoke("files", "read_text_file", {"path": str(files / "note.txt")})
    assert answer == {"content": "a note"}
    with pytest.raises(Exception, match=r"[Aa]ccess denied"):
        running.invoke("files", "read_text_file", {"path": "/etc/passwd"})


def test_methods_are_listed_with_their_schemas_and_those_that_come_later(running: House) -> None:
    shown = running.ctl("providers", "methods", "modern").stdout
    assert "add" in shown
    running.invoke("modern", "grow", {})
    assert eventually(lambda: "late" in running.ctl("providers", "methods", "modern").stdout, "it is listed")
    assert running.invoke("modern", "late", {}) == {"result": "late"}


def test_a_server_that_is_killed_under_calls_comes_back_with_its_provider(
    running: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = server_of(running, "everything")
    before = running.view("everything")
    with a_client(running, monkeypatch) as client:
        stream = client.stream("everything", "trigger-long-running-operation", {"duration": 60, "steps": 600})
        with stream:
            next(iter(stream))
            server.kill()
            began = time.monotonic()
            with pytest.raises(CallError, match="was killed by SIGKILL") as told:
                for _ in stream:
                    pass
            assert told.value.code == "unavailable"
            assert time.monotonic() - began < 2
        assert client.invoke("everything", "echo", message="again") == "Echo: again"

    after = running.view("everything")
    assert after["pid"] != before["pid"]
    assert not server.is_running()
    assert "was killed by SIGKILL" in running.ctl("why", "everything").stdout


def test_a_provider_that_is_killed_takes_its_server_along(running: House) -> None:
    names = ("files", "everything")
    servers = [server_of(running, name) for name in names]
    for name in names:
        os.kill(running.view(name)["pid"], signal.SIGKILL)
    for name, server in zip(names, servers, strict=True):
        eventually(partial(_is_gone, server), "its server is gone")
        running.until(name, "RUNNING")
        assert server_of(running, name).is_running()


def _is_gone(process: psutil.Process) -> bool:
    return not process.is_running()


@pytest.mark.parametrize(
    ("name", "slow", "tool", "args", "answer"),
    [
        ("web", "trigger-long-running-operation", "echo", {"message": "x"}, "Echo: x"),
        ("modern", "wait", "add", {"a": 1, "b": 2}, {"result": 3}),
    ],
)
def test_a_server_at_a_url_that_is_killed_under_calls_is_met_again(
    request: pytest.FixtureRequest,
    running: House,
    name: str,
    slow: str,
    tool: str,
    args: Any,
    answer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site: Site = request.getfixturevalue("everything_site" if name == "web" else "modern_site")
    before = running.view(name)["pid"]
    with a_client(running, monkeypatch) as client:
        with client.stream(name, slow, {"duration": 60, "steps": 600} if name == "web" else {}) as stream:
            next(iter(stream))
            site.kill()
            began = time.monotonic()
            with pytest.raises(CallError) as told:
                for _ in stream:
                    pass
            assert told.value.code == "unavailable"
            assert time.monotonic() - began < 10
        site.start()
        assert client.invoke(name, tool, args) == answer
    assert running.view(name)["pid"] == before


def test_a_server_that_never_answers_is_named_where_its_start_fails(running: House) -> None:
    running.until("silent", "EXITED")
    assert 'the MCP server "sleep 1000" has not answered yet' in running.ctl("why", "silent").stdout

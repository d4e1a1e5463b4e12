"""An extension of either style runs as a provider: configured, called, routed to, replaced and mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, eventually, house

MANIFEST = """
name: library
description: Lends books
version: 1.2.0
models:
  - {name: reader-1, capabilities: [text]}
capabilities: [lending]
config:
  days: {type: integer, default: 14, max: 30, env_var: LIBRARY_DAYS}
service: {class_path: service.Library}
"""
SERVICE = """
from gleitzeit_extensions.config_loader import ConfigBasedExtension
from .shelf import TITLES

class Library(ConfigBasedExtension):
    async def setup(self):
        self.titles = list(TITLES)

    async def lend(self, model: str = "") -> dict:
        return {"title": self.titles[0], "days": self.config["days"], "model": model}

    def health_check(self):
        return {"healthy": True, "titles": len(self.titles)}
"""
DECORATED = """
import asyncio
from gleitzeit_extensions.decorators import config_field, extension, handler, model
from gleitzeit_extensions.tools import tool

@model("saw-1")
@config_field("size", field_type="integer", required=True)
@extension(name="tools", description="Cuts wood")
class Tools:
    def __init__(self, size):
        self.size = size
        self.breaks = asyncio.Event()

    async def start(self):
        await self.breaks.wait()
        raise OSError("the saw is blunt")

    @tool(name="cut")
    def _cut(self, wood: str):
        return [wood] * self.size

    @handler("break")
    async def _break(self):
        self.breaks.set()
"""
FILES = {
    "extensions/library/extension.yaml": MANIFEST,
    "extensions/library/service.py": SERVICE,
    "extensions/library/shelf.py": 'TITLES = ["Emma"]\n',
    "extensions/tools.py": DECORATED,
}
PROVIDERS = {
    "library": {"extension": "library", "watch": True},
    "tools": {"extension": "tools", "config": {"size": 2}, "restart": {"initial": 0.05}},
}


def models(h: House) -> list[str]:
    return [one["name"] for one in h.client.get("/v1/models")["models"]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LIBRARY_DAYS", "21")
        with house(tmp_path_factory.mktemp("house"), PROVIDERS, FILES) as h:
            for name in PROVIDERS:
                h.until(name, "RUNNING")
            yield h


def test_they_are_called_like_any_provider(running: House) -> None:
    assert running.invoke("library", "lend", {}) == {"title": "Emma", "days": 21, "model": ""}
    assert running.invoke("tools", "cut", {"wood": "oak"}) == ["oak", "oak"]
    assert running.view("tools")["kind"] == "extension"


def test_their_models_and_capabilities_are_routed_to(running: House) -> None:
    assert models(running) == ["reader-1", "saw-1"]
    call = {"method": "lend", "model": "reader-1", "args": {}}
    assert running.client.post("/v1/invoke", call, 60)["result"]["model"] == "reader-1"
    call = {"method": "lend", "capability": "lending", "args": {}}
    assert running.client.post("/v1/invoke", call, 60)["result"]["title"] == "Emma"


def test_they_are_listed_with_what_they_are(running: House) -> None:
    config_file = ("--config-file", str(running.config))
    listed = running.ctl("config", "providers", *config_file).stdout
    assert "extension library" in listed
    assert "extension tools" in listed
    assert "Cuts wood" in running.ctl("providers", "list").stdout
    assert running.ctl("config", "validate", "--imports", *config_file).returncode == 0


def test_their_health_is_what_they_say(running: House) -> None:
    assert '"titles": 1' in running.ctl("providers", "health", "library", "--json").stdout


def test_a_start_that_fails_is_restarted_with_its_reason(running: House) -> None:
    before = running.view("tools")["pid"]
    running.invoke("tools", "break", {})

    eventually(lambda: running.view("tools")["pid"] not in (before, None), "it has another process")
    running.until("tools", "RUNNING")
    assert running.invoke("tools", "cut", {"wood": "elm"}) == ["elm", "elm"]
    assert "OSError: the saw is blunt" in running.ctl("logs", "tools").stdout


def test_a_saved_sibling_of_a_watched_one_is_what_answers(running: House) -> None:
    (running.root / "extensions/library/shelf.py").write_text('TITLES = ["Persuasion"]\n')

    eventually(lambda: running.invoke("library", "lend", {})["title"] == "Persuasion", "the new one answers")


def test_a_changed_manifest_is_taken_over_by_a_reload(tmp_path: Path) -> None:
    providers = {"library": {"extension": "library"}}
    with house(tmp_path, providers, FILES) as h:
        pid = h.until("library", "RUNNING")["pid"]
        manifest = tmp_path / "extensions/library/extension.yaml"
        manifest.write_text(MANIFEST.replace("reader-1", "reader-2"))
        told = h.ctl("reload")

        assert told.returncode == 0, told.stdout + told.stderr
        eventually(lambda: h.view("library")["pid"] != pid, "it is replaced")
        # The one before may still be ending its calls.
        eventually(lambda: models(h) == ["reader-2"], "it serves the other model")


def test_a_saved_manifest_of_a_watched_one_brings_the_variables_that_it_declares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_DAYS", "7")
    with house(tmp_path, {"library": PROVIDERS["library"]}, FILES) as h:
        h.until("library", "RUNNING")
        manifest = tmp_path / "extensions/library/extension.yaml"
        manifest.write_text(MANIFEST.replace("LIBRARY_DAYS", "OTHER_DAYS"))

        eventually(lambda: h.invoke("library", "lend", {})["days"] == 7, "it has the other variable")


def test_a_broken_manifest_holds_up_nobody_else_and_is_mended_by_a_save(tmp_path: Path) -> None:
    broken = {**FILES, "extensions/library/extension.yaml": MANIFEST.replace("models:", "modles:")}
    with house(tmp_path, PROVIDERS, broken) as h:
        h.until("tools", "RUNNING")
        said = h.ctl("status").stdout + h.ctl("status").stderr
        assert "extension.yaml:" in said
        assert "did you mean models?" in said
        (tmp_path / "extensions/library/extension.yaml").write_text(MANIFEST)

        h.until("library", "RUNNING")
        assert h.invoke("library", "lend", {})["title"] == "Emma"

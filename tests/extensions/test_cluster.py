"""A cluster asks the daemon first, where one runs, and the extensions of its own program then."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gleitzeit_extensions.client import Unreachable
from gleitzeit_extensions.extensions.cluster import GleitzeitCluster
from gleitzeit_extensions.extensions.manager import ExtensionManager
from tests.house import house

EXTENSION = """
from gleitzeit_extensions import extension, model

@extension(name="ours")
@model("shared-1")
@model("ours-1")
class Ours:
    async def setup(self):
        self.is_set_up = True

    async def stop(self):
        self.is_set_up = False
"""
PROVIDER = """
from gleitzeit_extensions import SocketIOProviderClient

class Theirs(SocketIOProviderClient):
    def __init__(self, **given):
        super().__init__(models=["shared-1", "theirs-1"], **given)
"""


@pytest.fixture
def cluster(tmp_path: Path) -> GleitzeitCluster:
    (tmp_path / "extensions").mkdir()
    (tmp_path / "extensions" / "ours.py").write_text(EXTENSION)
    cluster = GleitzeitCluster()
    ExtensionManager(cluster).discover_extensions(tmp_path / "extensions")
    return cluster


def serving(cluster: GleitzeitCluster, *models: str) -> list[str | None]:
    async def ask() -> list[str | None]:
        return [await cluster.find_provider_for_model(model) for model in models]

    return asyncio.run(ask())


def test_without_a_daemon_the_extensions_answer(cluster: GleitzeitCluster) -> None:
    assert serving(cluster, "ours-1", "theirs-1") == ["ours", None]


def test_a_daemon_that_has_the_model_comes_first(
    cluster: GleitzeitCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = {"theirs": {"class": "theirs.Theirs"}}
    with house(tmp_path, block, {"theirs.py": PROVIDER}) as h:
        h.until("theirs", "RUNNING")
        monkeypatch.setenv("GLEITZEIT_SOCKET", str(h.socket))

        assert serving(cluster, "shared-1", "theirs-1", "ours-1") == ["theirs", "theirs", "ours"]


def test_it_starts_and_stops_what_its_manager_has_loaded(cluster: GleitzeitCluster) -> None:
    assert cluster.extension_manager
    ours = cluster.extension_manager.load_extension("ours")

    async def live() -> bool:
        await cluster.start()
        was = bool(ours.is_set_up)
        await cluster.stop()
        return was

    assert asyncio.run(live())
    assert not ours.is_set_up


@pytest.mark.anyio
async def test_a_daemon_that_was_named_and_is_not_there_is_told() -> None:
    with pytest.raises(Unreachable):
        await GleitzeitCluster("http://127.0.0.1:9", token="t").find_provider_for_model("any")

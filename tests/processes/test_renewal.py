"""Whose source is watched, and that nobody waits while it is looked for."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from gleitzeitd.core.spec import ExtensionTarget, Spec
from gleitzeitd.processes import renewal
from gleitzeitd.processes.renewal import Renewal
from gleitzeitd.processes.supervisor import Supervisor
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio


class Nobody:
    """A supervisor under which nothing runs."""

    def of(self, name: str) -> list[Any]:
        return []


class Asked:
    """Notes what is to be watched."""

    def __init__(self, _: object) -> None:
        self.files: Mapping[str, frozenset[str]] = {}

    def want(self, files: Mapping[str, frozenset[str]]) -> None:
        self.files = files

    async def run(self) -> None: ...


async def watched(monkeypatch: pytest.MonkeyPatch, *specs: Spec) -> Mapping[str, frozenset[str]]:
    asked = Asked(None)
    monkeypatch.setattr(renewal, "Sources", lambda _: asked)
    looking = Renewal(cast(Supervisor, Nobody()), lambda: specs, list, lambda _: [], lambda _: None)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(looking.run)
        found = await eventually_here(lambda: asked.files)
        tasks.cancel_scope.cancel()
    return found


def absent(directory: Path) -> Spec:
    """An extension that was looked for in vain."""
    return Spec("p", "extension", ExtensionTarget("mine", (str(directory),)), mistakes=("there is none",))


async def test_an_extension_that_is_not_there_is_waited_for_beside_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.py").write_text("")

    names = ("other.py", "mine.py", "mine/extension.py", "mine/extension.yaml")
    assert await watched(monkeypatch, absent(tmp_path)) == {
        "p": frozenset(str(tmp_path / name) for name in names)
    }


async def test_files_are_looked_for_in_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = list[threading.Thread]()

    def look(*_: object) -> tuple[str, ...]:
        looked.append(threading.current_thread())
        return ("some.py",)

    monkeypatch.setattr(renewal, "source_files", look)
    await watched(monkeypatch, absent(tmp_path))

    assert looked
    assert threading.main_thread() not in looked

"""Which files a provider is made of, and which changes of them are told."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gleitzeitd.core.spec import ClassTarget, CommandTarget, ExtensionTarget, Spec
from gleitzeitd.processes import sources
from gleitzeitd.processes.sources import MOST_FILES, SETTLE, Sources, missing_files, source_files
from gleitzeitd.watching import contents, sight
from gleitzeitd.watching.inotify import Inotify
from tests.processes.waiting import eventually_here

pytestmark = pytest.mark.anyio


def of_class(path: str) -> Spec:
    return Spec("one", "tool", ClassTarget(path))


def of_command(*argv: str, cwd: str | None = None) -> Spec:
    return Spec("one", "tool", CommandTarget(argv), cwd=cwd)


def make(root: Path, *files: str) -> list[str]:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("raise SystemExit('imported')\n")
    return [str(root / file) for file in files]


def change(file: str, text: str = "changed") -> None:
    Path(file).write_text(text)


def bytes_of(file: str) -> bytes:
    return Path(file).read_bytes()


def test_a_class_is_made_of_its_module(tmp_path: Path) -> None:
    (mine, _) = make(tmp_path, "echo.py", "other.py")

    assert source_files(of_class("echo.Echo"), [str(tmp_path)]) == (mine,)


def test_a_class_in_a_package_is_made_of_the_whole_of_it(tmp_path: Path) -> None:
    files = make(tmp_path, "a/b/echo.py", "a/b/__init__.py", "a/b/help.py")
    make(tmp_path, "a/b/.#echo.py", "a/b/notes.txt", "a/b/deeper/x.py", "a/c.py")

    assert source_files(of_class("a.b.echo.Echo"), [str(tmp_path)]) == tuple(files)


def test_a_class_may_be_in_the_package_itself(tmp_path: Path) -> None:
    files = make(tmp_path, "echo/__init__.py", "echo/help.py")
    make(tmp_path, "echo.py")

    assert source_files(of_class("echo.Echo"), [str(tmp_path)]) == tuple(files)


def test_the_first_directory_that_has_it_is_the_one(tmp_path: Path) -> None:
    make(tmp_path, "one/providers/other.py", "three/providers/echo.py")
    (mine,) = make(tmp_path, "two/providers/echo.py")
    directories = [str(tmp_path / name) for name in ("none", "one", "two", "three")]

    assert source_files(of_class("providers.echo.Echo"), directories) == (mine,)


def of_extension(home: Path | str, *paths: Path) -> Spec:
    return Spec("one", "tool", ExtensionTarget("mine", tuple(map(str, paths)), str(home)))


def test_an_extension_in_a_file_is_made_of_that(tmp_path: Path) -> None:
    (mine, _) = make(tmp_path, "mine.py", "other.py")

    assert source_files(of_extension(mine, tmp_path), []) == (mine,)


def test_an_extension_in_a_directory_is_made_of_its_manifest_and_all_its_code(tmp_path: Path) -> None:
    files = make(tmp_path / "mine", "extension.yaml", "service.py", "utils.py", "deeper/x.py")
    make(tmp_path / "mine", ".#service.py", "notes.txt", "other.yaml", "__pycache__/x.py", ".git/y.py")

    assert source_files(of_extension(tmp_path / "mine", tmp_path), []) == tuple(files)


def test_one_that_nobody_found_may_be_anything_that_is_there(tmp_path: Path) -> None:
    files = make(tmp_path / "a", "broken/extension.yaml", "broken/service.py")
    more = make(tmp_path / "b", "computed.py")

    assert source_files(of_extension("", tmp_path / "a", tmp_path / "b"), []) == (*files, *more)


def test_a_large_tree_is_looked_through_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_DIRECTORIES", 3)
    files = make(tmp_path, *(f"d{number}/x.py" for number in range(5)))

    assert source_files(of_extension(tmp_path), []) == tuple(files[:2])


def test_one_that_is_not_there_is_waited_for(tmp_path: Path) -> None:
    names = ("mine.py", "mine/extension.py", "mine/extension.yaml")

    assert source_files(of_extension("", tmp_path), []) == ()
    assert missing_files(of_extension("", tmp_path), []) == tuple(str(tmp_path / name) for name in names)


def test_what_is_installed_has_no_source_to_watch(tmp_path: Path) -> None:
    assert source_files(of_class("json.JSONDecoder"), [str(tmp_path)]) == ()


def test_a_large_package_is_watched_in_part(tmp_path: Path) -> None:
    make(tmp_path, *(f"a/m{number:03}.py" for number in range(MOST_FILES + 50)), "a/z.py")

    assert len(source_files(of_class("a.z.Z"), [str(tmp_path)])) == MOST_FILES + 1


def test_a_command_is_made_of_the_files_it_names(tmp_path: Path) -> None:
    script, model, program = make(tmp_path, "serve.py", "sub/model.bin", "bin/run")
    make(tmp_path, "python")

    at_work = of_command("python", "-u", "serve.py", model, "sub", "serve.py", "none.py", cwd=str(tmp_path))
    by_path = of_command("bin/run", "--port", "1", cwd=str(tmp_path))

    assert source_files(at_work, []) == (script, model)
    assert source_files(by_path, []) == (program,)


def test_without_a_directory_of_its_own_a_command_is_in_the_daemons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (script,) = make(tmp_path, "serve.py")
    monkeypatch.chdir(tmp_path)

    assert source_files(of_command("python", "serve.py"), []) == (script,)


class Watched:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.sources = Sources(self.told.append)
        self._stood = 0

    async def want(self, **wanted: str) -> None:
        """Want the files, and wait until they are known."""
        self.sources.want({name: frozenset(files.split()) for name, files in wanted.items()})
        files = {file for files in wanted.values() for file in files.split() if contents.glance(file)}
        await eventually_here(lambda: all(self._is_known(file) for file in files))

    def _is_known(self, file: str) -> bool:
        return file in self.sources._known and bool(self.sources._known[file].digest)

    async def until(self, *told: str) -> None:
        await eventually_here(lambda: len(self.told) >= len(told))
        assert self.told == list(told)


@asynccontextmanager
async def watching() -> AsyncIterator[Watched]:
    watched = Watched()
    async with anyio.create_task_group() as group:
        group.start_soon(watched.sources.run)
        yield watched
        group.cancel_scope.cancel()


def rename_over(path: Path) -> None:
    fresh = path.with_name("fresh")
    fresh.write_text("changed")
    fresh.replace(path)


def keep_a_backup(path: Path) -> None:
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text("changed")


def replace_the_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("old"))
    path.parent.mkdir()
    path.write_text("changed")


def link_elsewhere(path: Path) -> None:
    path.with_name("elsewhere").write_text("changed")
    path.with_name("link").symlink_to("elsewhere")
    path.with_name("link").replace(path)


SAVES: Mapping[str, Callable[[Path], object]] = {
    "written in place": lambda path: path.write_text("changed"),
    "renamed over": rename_over,
    "a backup kept": keep_a_backup,
    "its directory replaced": replace_the_directory,
    "linked elsewhere": link_elsewhere,
}


@pytest.mark.parametrize("how", SAVES)
async def test_a_save_is_told_once(tmp_path: Path, how: str) -> None:
    mine, other = make(tmp_path, "a/mine.py", "a/other.py")

    async with watching() as watched:
        await watched.want(mine=mine, other=other)
        SAVES[how](Path(mine))
        await watched.until("mine")
        change(mine, "changed again")
        await watched.until("mine", "mine")


async def test_a_file_of_several_providers_is_told_for_each(tmp_path: Path) -> None:
    mine, shared = make(tmp_path, "mine.py", "shared.py")

    async with watching() as watched:
        await watched.want(b=f"{mine} {shared}", a=shared, c=mine)
        change(shared)
        await watched.until("a", "b")


async def test_files_saved_together_are_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SETTLE", 0.4)
    files = make(tmp_path, "a.py", "b.py", "c.py")

    async with watching() as watched:
        await watched.want(mine=" ".join(files))
        for file in files:
            rename_over(Path(file))
            await anyio.sleep(0.03)
        await watched.until("mine")
        await anyio.sleep(0.5)

        assert watched.told == ["mine"]


async def test_what_leaves_the_bytes_as_they_are_is_told_to_nobody(tmp_path: Path) -> None:
    mine, other = make(tmp_path, "mine.py", "other.py")
    saved = bytes_of(mine)

    async with watching() as watched:
        await watched.want(mine=mine, other=other)
        os.utime(mine)
        await anyio.sleep(2 * SETTLE)
        rename_over(Path(mine))
        change(mine, saved.decode())
        change(other)
        await watched.until("other")


async def test_caches_and_what_editors_leave_are_told_to_nobody(tmp_path: Path) -> None:
    (mine,) = make(tmp_path, "mine.py")

    async with watching() as watched:
        await watched.want(mine=mine)
        make(
            tmp_path,
            "__pycache__/mine.cpython-311.pyc",
            ".mine.py.swp",
            "mine.py~",
            "#mine.py#",
            "4913",
            "b.py",
        )
        await anyio.sleep(2 * SETTLE)
        change(mine)
        await watched.until("mine")


async def test_a_file_that_is_gone_is_told_when_it_is_back_and_other(tmp_path: Path) -> None:
    mine, other = make(tmp_path, "a/mine.py", "b/other.py")
    saved = bytes_of(mine)

    async with watching() as watched:
        await watched.want(mine=mine, other=other)
        shutil.rmtree(tmp_path / "a")
        await anyio.sleep(2 * SETTLE)
        make(tmp_path, "a/mine.py")
        assert bytes_of(mine) == saved
        await anyio.sleep(2 * SETTLE)
        assert watched.told == []
        change(mine)
        await watched.until("mine")


async def test_a_file_that_comes_later_is_told(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"

    async with watching() as watched:
        await watched.want(mine=str(mine))
        make(tmp_path, "mine.py")
        await watched.until("mine")


async def test_a_large_file_is_told_by_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "LARGEST", 10)
    (mine,) = make(tmp_path, "mine.py")

    async with watching() as watched:
        await watched.want(mine=mine)
        os.utime(mine)
        await watched.until("mine")


async def test_a_fifo_in_its_place_holds_nobody(tmp_path: Path) -> None:
    mine, other = make(tmp_path, "mine.py", "other.py")

    async with watching() as watched:
        await watched.want(mine=mine, other=other)
        os.unlink(mine)
        os.mkfifo(mine)
        change(other)
        await watched.until("other")


async def test_others_may_be_wanted_at_any_time(tmp_path: Path) -> None:
    first, second = make(tmp_path, "a/first.py", "b/second.py")

    async with watching() as watched:
        await watched.want(first=first)
        await watched.want(second=second)
        change(first)
        change(second)
        await watched.until("second")
        await watched.want(first=first, second=second)
        change(first, "changed again")
        await watched.until("second", "first")


async def test_what_is_saved_before_the_watch_stands_is_told(tmp_path: Path) -> None:
    (mine,) = make(tmp_path, "mine.py")

    async with watching() as watched:
        watched.sources.want({"mine": frozenset((mine,))})
        change(mine)
        await watched.until("mine")


async def test_what_is_saved_while_others_become_wanted_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = make(tmp_path, "mine.py", "other.py")
    read, reading, go_on = contents.read, threading.Event(), threading.Event()

    def slow(*given: object) -> object:
        reading.set()
        assert go_on.wait(20)
        return read(*given)  # type: ignore[arg-type]

    async with watching() as watched:
        await watched.want(mine=mine)
        monkeypatch.setattr(sources, "read", slow)
        change(mine)
        await eventually_here(reading.is_set)
        watched.sources.want({"mine": frozenset((mine,)), "other": frozenset((other,))})
        go_on.set()
        await watched.until("mine")
        change(other)
        await watched.until("mine", "other")


async def test_while_nothing_is_wanted_nothing_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counted(Inotify):
        open = 0

        def __init__(self) -> None:
            super().__init__()
            Counted.open += 1

        def close(self) -> None:
            super().close()
            Counted.open -= 1

    monkeypatch.setattr(sight, "Inotify", Counted)
    (mine,) = make(tmp_path, "mine.py")

    async with watching() as watched:
        await anyio.wait_all_tasks_blocked()
        assert Counted.open == 0
        await watched.want(mine=mine)
        assert Counted.open == 1
        await watched.want()
        await eventually_here(lambda: Counted.open == 0)


async def test_it_ends_at_once_when_cancelled(tmp_path: Path) -> None:
    (mine,) = make(tmp_path, "mine.py")

    async with watching() as watched:
        await watched.want(mine=mine)
        began = time.monotonic()

    assert time.monotonic() - began < 0.1

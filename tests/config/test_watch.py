"""Every way in which a config is saved, and what is none."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from gleitzeitd.config import watch
from gleitzeitd.config.watch import SETTLE, watch_config
from gleitzeitd.watching import inotify, sight
from tests.house import PATIENCE

MOST_QUEUED = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "providers.yaml"
    path.parent.mkdir()
    path.write_text("providers: {}\n")
    return path


class Told:
    """When it was told of a change; the first time is the start."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self) -> None:
        self.at.append(time.monotonic())

    @property
    def saves(self) -> int:
        return len(self.at) - 1

    async def until(self, saves: int) -> None:
        with anyio.fail_after(PATIENCE):
            while self.saves < saves:  # noqa: ASYNC110 - a fact of another task is waited for
                await anyio.sleep(0.001)


@asynccontextmanager
async def watched(config: Path) -> AsyncIterator[Told]:
    told = Told()
    async with anyio.create_task_group() as group:
        group.start_soon(watch_config, str(config), lambda: None, told)
        await told.until(0)
        yield told
        group.cancel_scope.cancel()


def replace(path: Path, text: str) -> None:
    """As vim, sed -i and ansible do."""
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(text)
    fresh.replace(path)


def relink(link: Path, target: str) -> None:
    """As the kubelet does."""
    fresh = link.with_name("..data_tmp")
    fresh.symlink_to(target)
    fresh.replace(link)


def overwrite(path: Path) -> None:
    with path.open("r+") as file:
        file.write("providers: {} ")


def keep_a_backup(path: Path) -> None:
    """As vim does with backupcopy=no."""
    path.rename(path.with_name(f"{path.name}~"))
    path.write_text("providers: {} ")


def link_another(path: Path) -> None:
    path.unlink()
    path.with_name("other").write_text("providers: {} ")
    os.link(path.with_name("other"), path)


SAVES: dict[str, Callable[[Path], object]] = {
    "written in place": overwrite,
    "truncated and written": lambda path: path.write_text("providers: {} "),
    "renamed over": lambda path: replace(path, "providers: {} "),
    "the old one kept as a backup": keep_a_backup,
    "deleted": lambda path: path.unlink(),
    "made readable": lambda path: path.chmod(0o600),
    "linked": link_another,
    "providers.d appears": lambda path: (path.parent / "providers.d").mkdir(),
    "its directory deleted": lambda path: shutil.rmtree(path.parent),
    "its directory renamed": lambda path: path.parent.rename(path.parent.with_name("old")),
    "a directory above renamed": lambda path: path.parent.parent.rename(f"{path.parent.parent}.old"),
}


@pytest.mark.parametrize("how", SAVES)
async def test_a_save_is_told_once(config: Path, how: str) -> None:
    async with watched(config) as told:
        SAVES[how](config)
        await told.until(1)
        await anyio.sleep(2 * SETTLE)

        assert told.saves == 1


@pytest.mark.parametrize("how", ["deleted", "its directory deleted", "a directory above renamed"])
async def test_what_was_gone_is_seen_again(config: Path, how: str) -> None:
    async with watched(config) as told:
        SAVES[how](config)
        await told.until(1)
        config.parent.mkdir(parents=True, exist_ok=True)
        await told.until(2 if how != "deleted" else 1)
        replace(config, "providers: {}\n")
        before = told.saves
        await told.until(before + 1)
        replace(config, "providers: {} ")
        await told.until(before + 2)


async def test_each_rename_over_it_is_seen_not_only_the_first(config: Path) -> None:
    async with watched(config) as told:
        for number in range(1, 6):
            replace(config, f"# {number}")
            await told.until(number)


async def test_a_config_that_is_not_there_as_yet_is_seen_when_it_comes(tmp_path: Path) -> None:
    config = tmp_path / "a" / "b" / "providers.yaml"

    async with watched(config) as told:
        config.parent.mkdir(parents=True)
        await told.until(1)
        config.write_text("providers: {}\n")
        await told.until(2)


async def test_a_relative_path_is_watched(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)

    async with watched(Path(config.name)) as told:
        replace(config, "providers: {} ")
        await told.until(1)


async def test_a_config_map_is_seen_when_its_link_is_swapped(tmp_path: Path) -> None:
    for version in ("..2024_1", "..2024_2", "..2024_3"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "providers.yaml").write_text(version)
    config = tmp_path / "providers.yaml"
    (tmp_path / "..data").symlink_to("..2024_1")
    config.symlink_to("..data/providers.yaml")

    async with watched(config) as told:
        relink(tmp_path / "..data", "..2024_2")
        await told.until(1)
        relink(tmp_path / "..data", "..2024_3")
        await told.until(2)
        (tmp_path / "..2024_1" / "providers.yaml").write_text("nobody reads this one")
        (tmp_path / "..2024_3" / "providers.yaml").write_text("mended")
        await told.until(3)
        await anyio.sleep(2 * SETTLE)

        assert told.saves == 3


async def test_a_link_is_followed_to_where_it_points_now(config: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for directory in (first, second):
        directory.mkdir()
        (directory / "own.yaml").write_text("providers: {}\n")
    os.unlink(config)
    os.symlink(first / "own.yaml", config)

    async with watched(config) as told:
        replace(first / "own.yaml", "providers: {} ")
        await told.until(1)
        relink(config, "../second/own.yaml")
        await told.until(2)
        replace(second / "own.yaml", "providers: {} ")
        await told.until(3)


async def test_a_deployment_by_a_link_above_is_seen(tmp_path: Path) -> None:
    for release in ("1", "2"):
        (tmp_path / release / "config").mkdir(parents=True)
        (tmp_path / release / "config" / "providers.yaml").write_text(release)
    (tmp_path / "current").symlink_to("1")

    async with watched(tmp_path / "current" / "config" / "providers.yaml") as told:
        relink(tmp_path / "current", "2")
        await told.until(1)


async def test_a_file_written_under_another_name_is_seen(config: Path, tmp_path: Path) -> None:
    """As when a container has it mounted alone."""
    os.link(config, tmp_path / "outside.yaml")

    async with watched(config) as told:
        (tmp_path / "outside.yaml").write_text("providers: {} ")
        await told.until(1)


async def test_links_in_a_ring_are_waited_for_to_be_mended(config: Path) -> None:
    os.unlink(config)
    os.symlink(config.name, config)

    async with watched(config) as told:
        replace(config, "providers: {}\n")
        await told.until(1)


async def test_providers_d_may_appear_change_be_replaced_and_vanish(config: Path) -> None:
    directory = config.parent / "providers.d"

    async with watched(config) as told:
        directory.mkdir()
        await told.until(1)
        (directory / "one.yaml").write_text("providers: {}\n")
        await told.until(2)
        replace(directory / "one.yml", "providers: {}\n")
        await told.until(3)
        directory.rename(config.parent / "old.d")
        await told.until(4)
        directory.mkdir()
        await told.until(5)
        (directory / "two.yaml").write_text("providers: {}\n")
        await told.until(6)
        (directory / "two.yaml").unlink()
        await told.until(7)
        directory.rmdir()
        await told.until(8)


async def test_providers_d_may_be_a_link_to_a_config_map(config: Path, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    for version in ("..1", "..2"):
        (volume / version).mkdir(parents=True)
        (volume / version / "a.yaml").write_text(version)
    (volume / "..data").symlink_to("..1")
    (volume / "a.yaml").symlink_to("..data/a.yaml")
    (config.parent / "providers.d").symlink_to(volume)

    async with watched(config) as told:
        relink(volume / "..data", "..2")
        await told.until(1)
        (volume / "..2" / "a.yaml").write_text("mended")
        await told.until(2)
        relink(config.parent / "providers.d", "../elsewhere")
        await told.until(3)
        (tmp_path / "elsewhere").mkdir()
        await told.until(4)
        (tmp_path / "elsewhere" / "b.yaml").write_text("providers: {}\n")
        await told.until(5)


async def test_saves_in_quick_succession_are_one(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLE", 0.4)

    async with watched(config) as told:
        for number in range(20):
            replace(config, f"# {number}")
            last = time.monotonic()
            await anyio.sleep(0.03)
        await told.until(1)

        assert told.at[1] - last >= 0.39
        assert told.saves == 1


async def test_unceasing_saves_are_told_after_two_seconds(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A pause of a busy machine must not look like the end of the saves.
    monkeypatch.setattr(watch, "SETTLE", 1.5)

    async with watched(config) as told:
        began = time.monotonic()
        while told.saves < 1 and time.monotonic() < began + PATIENCE:
            replace(config, str(time.monotonic()))
            await anyio.sleep(SETTLE / 10)

        assert 1.9 < told.at[1] - began < 4


async def test_a_busy_directory_costs_little_and_is_told_to_nobody(config: Path) -> None:
    """The watcher's share: what it spends beyond what the writing costs by itself."""
    more = config.parent / "providers.d"
    more.mkdir()
    names = (
        config.parent / "a.log",
        config.parent / ".providers.yaml.swp",
        more / ".#a.yaml",
        more / "a.yaml~",
    )

    async with watched(config) as told:
        reads = 0
        has_news = inotify.Inotify._has_news

        def counted(kernel: inotify.Inotify) -> bool:
            nonlocal reads
            reads += 1
            return has_news(kernel)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inotify.Inotify, "_has_news", counted)
            began = time.monotonic()
            while (now := time.monotonic()) < began + 1:
                for name in names:
                    name.write_text("x")
                await anyio.lowlevel.checkpoint()
            assert reads <= (now - began) * 250 + 5
        await anyio.sleep(2 * SETTLE)
        assert told.saves == 0
        replace(config, "providers: {} ")
        await told.until(1)
        await anyio.sleep(2 * SETTLE)

        assert told.saves == 1


@pytest.mark.skipif(MOST_QUEUED > 100_000, reason=f"the kernel keeps {MOST_QUEUED} events here")
async def test_more_events_than_the_kernel_keeps_are_taken_for_a_change(config: Path) -> None:
    async with watched(config) as told:
        for _ in range(MOST_QUEUED // 2 + 1):
            for name in ("a.log", "b.log"):
                os.close(os.open(config.parent / name, os.O_CREAT | os.O_WRONLY))
        replace(config, "providers: {} ")
        await told.until(1)


async def test_it_ends_at_once_when_cancelled(config: Path) -> None:
    async with anyio.create_task_group() as group:
        told = Told()
        group.start_soon(watch_config, str(config), lambda: None, told)
        await told.until(0)
        before = len(os.listdir("/proc/self/fd"))
        began = time.monotonic()
        group.cancel_scope.cancel()

    assert time.monotonic() - began < 0.1
    assert len(os.listdir("/proc/self/fd")) < before


async def test_nobody_wakes_up_while_nothing_happens(config: Path) -> None:
    async with watched(config):
        threads = [Path(f"/proc/self/task/{thread}") for thread in os.listdir("/proc/self/task")]
        before = sum(map(switches, threads))
        await anyio.sleep(1)

        assert len(os.listdir("/proc/self/task")) == len(threads)
        assert sum(map(switches, threads)) - before <= 3


def switches(thread: Path) -> int:
    """How often it went to sleep of its own accord."""
    return next(
        int(line.split()[1])
        for line in (thread / "status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


@contextmanager
def no_inotify(code: int) -> Iterator[None]:
    def used_up(*_: object) -> int:
        raise OSError(code, "none left")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inotify.Inotify, "_add", used_up)
        patch.setattr(sight, "EVERY", 0.05)
        yield


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EMFILE, errno.EACCES])
async def test_without_inotify_it_looks_itself_and_says_so_once(config: Path, code: int) -> None:
    (config.parent / "providers.d").mkdir()

    with capture_logs() as logs, no_inotify(code):
        async with watched(config) as told:
            replace(config, "providers: {} ")
            await told.until(1)
            (config.parent / "providers.d" / "a.yaml").write_text("providers: {}\n")
            await told.until(2)
            (config.parent / "providers.d" / "notes.txt").write_text("x")
            await anyio.sleep(3 * SETTLE)
            assert told.saves == 2
            os.unlink(config)
            await told.until(3)

            assert told.saves == 3

    assert [(entry["log_level"], entry["reason"]) for entry in logs] == [("warning", "none left")]


async def test_it_listens_to_the_kernel_again_when_it_can(config: Path) -> None:
    with capture_logs():
        told = Told()
        async with anyio.create_task_group() as group:
            with no_inotify(errno.ENOSPC):
                group.start_soon(watch_config, str(config), lambda: None, told)
                await told.until(0)
            replace(config, "# 1")
            await told.until(1)
            replace(config, "# 2")
            saved = time.monotonic()
            await told.until(2)
            group.cancel_scope.cancel()

    assert told.at[2] - saved < sight.EVERY


async def test_no_descriptor_left_is_no_end(config: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(free := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with capture_logs() as logs:
            async with watched(config) as told:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                replace(config, "providers: {} ")
                await told.until(1)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert "fs.inotify.max_user_instances" in logs[0]["reason"]


async def test_on_another_machines_files_it_looks_itself(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sight, "_remote_devices", lambda: {os.stat(config).st_dev})
    monkeypatch.setattr(sight, "EVERY", 0.05)

    with capture_logs() as logs:
        async with watched(config) as told:
            replace(config, "providers: {} ")
            await told.until(1)

    assert "another machine" in logs[0]["reason"]

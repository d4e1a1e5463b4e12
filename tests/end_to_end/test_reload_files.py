"""Every way in which a config file is saved is seen by the daemon that runs on it."""

from __future__ import annotations

from pathlib import Path

from tests.house import House, eventually, house
from tests.scenarios.common import becomes
from tests.scenarios.saves import WAYS, pids, problems
from tests.scenarios.subjects import argv, sleeper, text


def runs(h: House, wanted: dict[str, list[str]]) -> None:
    """Wait until these are the providers, each with its command."""

    def found() -> dict[str, list[str]]:
        return {name: argv(pid) for name, pid in pids(h).items()}

    becomes(found, wanted, "commands")


def sleeps(**seconds: int) -> dict[str, list[str]]:
    return {name: ["sleep", str(number)] for name, number in seconds.items()}


def test_editors_and_deployments_save_in_many_ways(tmp_path: Path) -> None:
    with house(tmp_path, text({"one": sleeper(1000), "kept": sleeper()})) as h:
        kept = h.until("kept", "RUNNING")["pid"]
        for number, way in enumerate((*WAYS, *WAYS), 1001):
            way(h.config, text({"one": sleeper(number), "kept": sleeper()}))
            runs(h, sleeps(one=number, kept=1000))
        assert h.view("kept")["pid"] == kept
        assert h.view("one")["generation"] == 1 + 2 * len(WAYS)


def test_files_in_providers_d_come_change_and_go(tmp_path: Path) -> None:
    with house(tmp_path, text({"main": sleeper()})) as h:
        main = h.until("main", "RUNNING")["pid"]
        directory = tmp_path / "providers.d"
        directory.mkdir()
        more = directory / "more.yaml"
        for number, way in enumerate((WAYS[0], *WAYS), 1001):
            way(more, part(number))
            runs(h, sleeps(main=1000, more=number))

        twice = directory / "twice.yaml"
        twice.write_text(part(1))
        eventually(lambda: [problem for problem in problems(h) if "twice.yaml" in problem])
        runs(h, sleeps(main=1000, more=number))
        twice.unlink()
        eventually(lambda: not problems(h))
        more.unlink()
        runs(h, sleeps(main=1000))
        assert h.view("main")["pid"] == main


def part(number: int) -> str:
    return f"providers:\n  more: {{command: [sleep, '{number}'], start_seconds: 0}}\n"


def mounted(root: Path, name: str, new: str) -> None:
    """As a kubelet has it: `providers.yaml` leads to `..data/providers.yaml`, and `..data` to a directory."""
    version = root / f"..{name}"
    version.mkdir()
    (version / "providers.yaml").write_text(new)
    link = root / "..data_tmp"
    link.symlink_to(version.name)
    link.replace(root / "..data")


def test_a_config_map_is_taken_over_when_its_link_is_swapped(tmp_path: Path) -> None:
    with house(tmp_path, text({}), started=False) as h:
        mounted(tmp_path, "1", text({"one": sleeper(1001), "kept": sleeper()}))
        h.config.unlink()
        h.config.symlink_to("..data/providers.yaml")
        h.start()
        runs(h, sleeps(one=1001, kept=1000))
        kept = h.view("kept")["pid"]
        for number in (2, 3):
            mounted(tmp_path, str(number), text({"one": sleeper(1000 + number), "kept": sleeper()}))
            runs(h, sleeps(one=1000 + number, kept=1000))
        assert h.view("kept")["pid"] == kept

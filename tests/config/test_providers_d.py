"""The files of `providers.d`: which are read, how they fit together, and that each mistake names its file."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gleitzeitd.config import gather
from gleitzeitd.config.files import texts
from gleitzeitd.config.load import load
from gleitzeitd.config.source import read_bytes
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import CommandTarget


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text("providers:\n  first: {command: x}\n")
    (tmp_path / "providers.d").mkdir()
    return path


def beside(main: Path, name: str, text: str) -> Path:
    path = main.parent / "providers.d" / name
    path.write_text(text)
    return path


def refused(main: Path) -> list[str]:
    with pytest.raises(ConfigError) as told:
        load(str(main))
    return list(told.value.problems)


def names(main: Path) -> list[str]:
    return [spec.name for spec in load(str(main)).specs]


def test_they_are_merged_by_name_behind_the_main_file(main: Path) -> None:
    beside(main, "b.yaml", "providers:\n  c: {command: x}\n  b: {command: x}\n")
    beside(main, "a.yml", "providers:\n  z: {command: x}\n")

    assert names(main) == ["first", "z", "c", "b"]
    assert load(str(main)).by_name["b"].where == f"{main.parent}/providers.d/b.yaml:3"


def test_what_is_no_file_of_providers_is_left_alone(main: Path) -> None:
    for name in (".a.yaml", ".#a.yaml", "#a.yaml#", "#a.yaml", "a.yaml~", ".a.yaml.swp", "a.txt", "yaml"):
        beside(main, name, "nonsense")
    (main.parent / "providers.d/dir.yaml").mkdir()

    assert names(main) == ["first"]


@pytest.mark.parametrize("text", ["", "# soon\n", "providers:\n", "providers: {}\n"])
def test_an_empty_file_is_fine(main: Path, text: str) -> None:
    beside(main, "a.yaml", text)

    assert names(main) == ["first"]


def test_a_main_file_may_have_no_providers(main: Path) -> None:
    main.write_text("global: {parallel_starts: 2}\n")
    beside(main, "a.yaml", "providers: {a: {command: x}}\n")

    assert names(main) == ["a"]


def test_an_empty_main_file_is_a_mistake_though_there_are_others(main: Path) -> None:
    main.write_text("")
    beside(main, "a.yaml", "providers: {a: {command: x}}\n")

    assert refused(main) == [f"{main}:1:1: the file is empty: it needs a section `providers`"]


def test_a_provider_that_is_defined_twice_names_both_places(main: Path) -> None:
    one = beside(main, "a.yaml", "providers:\n  first: {command: x}\n  other: {command: x}\n")
    two = beside(main, "b.yaml", "\nproviders:\n  other: {command: x}\n")

    assert refused(main) == [
        f"{one}:2:3: providers.first: is defined twice, first at {main}:2: remove or rename one",
        f"{two}:3:3: providers.other: is defined twice, first at {one}:3: remove or rename one",
    ]


def test_only_providers_are_known_there(main: Path) -> None:
    one = beside(main, "a.yaml", "global: {}\nprovider: {}\n")
    two = beside(main, "b.yaml", "providers: []\n")
    three = beside(main, "c.yaml", "- a\n")

    assert refused(main) == [
        f"{one}:1:1: global: unknown key (it belongs in the main file)",
        f"{one}:2:1: provider: unknown key (only providers is known here)",
        f"{two}:1:12: providers: must be a mapping of keys to values",
        f"{three}:1:1: the file: must be a mapping of keys to values",
    ]


def test_every_kind_of_mistake_names_its_file_and_comes_in_their_order(main: Path) -> None:
    main.write_text("providers:\n  first: {command: x, nice: 99}\n")
    one = beside(main, "a.yaml", "providers:\n  a b: {command: x}\n")
    two = beside(main, "b.yaml", "providers:\n  b:\n    command: x\n    type: robot\n    cwd: nowhere\n")

    assert [problem.split(" ")[0] for problem in refused(main)] == [
        f"{main}:2:29:",
        f"{one}:2:3:",
        f"{two}:4:11:",
        f"{two}:5:10:",
    ]


def test_what_is_no_yaml_is_told_of_every_file(main: Path) -> None:
    main.write_text("a: [\n")
    one = beside(main, "a.yaml", "a: b: c\n")

    assert [problem.split(" ")[0] for problem in refused(main)] == [f"{main}:2:1:", f"{one}:1:5:"]


def test_providers_of_several_files_may_need_each_other(main: Path) -> None:
    beside(main, "a.yaml", "providers: {a: {command: x, depends_on: first}}\n")

    assert load(str(main)).by_name["a"].depends_on == ("first",)


def test_paths_are_seen_from_the_main_file(main: Path) -> None:
    (main.parent / "work").mkdir()
    beside(main, "a.yaml", "providers: {a: {command: x, cwd: work}}\n")

    assert load(str(main)).by_name["a"].cwd == str(main.parent / "work")


def test_the_name_of_a_file_is_relative_where_the_main_one_is(
    main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside(main, "a.yaml", "providers: {a: {command: x}}\n")
    monkeypatch.chdir(main.parent)

    assert load("p.yaml").by_name["a"].where == "providers.d/a.yaml:1"


def test_a_link_to_nowhere_is_a_mistake(main: Path) -> None:
    path = main.parent / "providers.d/a.yaml"
    path.symlink_to("nowhere")

    assert refused(main) == [f"{path}: there is no such file"]


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_what_is_no_regular_file_does_not_hold_the_daemon(
    main: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(main.parent / "providers.d")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("a.yaml") if kind == "socket" else os.mkfifo("a.yaml")

    assert refused(main) == [
        f"{main.parent}/providers.d/a.yaml: this is not a regular file: name a file of text"
    ]


def test_the_directory_must_be_one(main: Path) -> None:
    (main.parent / "providers.d").rmdir()
    (main.parent / "providers.d").touch()

    assert refused(main) == [f"{main.parent}/providers.d: must be a directory with files of providers"]


def test_a_directory_that_cannot_be_read_says_why(main: Path) -> None:
    (main.parent / "providers.d").rmdir()
    (main.parent / "providers.d").symlink_to("providers.d")

    assert refused(main) == [f"{main.parent}/providers.d: cannot be read: Too many levels of symbolic links"]


def test_all_files_together_have_a_size(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = main.stat().st_size
    monkeypatch.setattr(gather, "LARGEST", size + 4)
    beside(main, "a.yaml", "####")
    assert names(main) == ["first"]

    path = beside(main, "b.yaml", "#")
    (problem,) = refused(main)
    assert problem.startswith(f"{path}: with it the config is larger than the ")


def test_there_are_not_more_files_than_a_thousand(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "MOST_FILES", 2)
    beside(main, "a.yaml", "")
    beside(main, "b.yaml", "")
    assert names(main) == ["first"]

    beside(main, "c.yaml", "")
    assert refused(main) == [f"{main.parent}/providers.d: has 3 files, and may have 2"]


def test_each_file_is_read_once(main: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside(main, "a.yaml", "providers: {a: {command: x}}\n")
    opened = list[str]()

    def counted(path: str) -> bytes:
        opened.append(path)
        return read_bytes(path)

    monkeypatch.setattr("gleitzeitd.config.gather.read_bytes", counted)

    assert load(str(main)).specs[1].target == CommandTarget(("x",))
    assert opened == [str(main), f"{main.parent}/providers.d/a.yaml"]


def test_the_texts_are_named_as_seen_from_the_main_file(main: Path) -> None:
    beside(main, "a.yaml", "providers:\n")

    assert texts(str(main)) == {"p.yaml": main.read_text(), "providers.d/a.yaml": "providers:\n"}


def test_a_link_that_leads_to_itself_is_named(main: Path) -> None:
    directory = main.parent / "providers.d"
    directory.mkdir(exist_ok=True)
    (directory / "loop.yaml").symlink_to("loop.yaml")

    with pytest.raises(ConfigError, match=rf"^{directory}/loop.yaml: cannot be read: Too many levels"):
        load(str(main))

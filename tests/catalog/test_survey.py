"""What lies in the search paths: every layout is found, nothing is run, and no broken one harms another."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleitzeit_extensions.catalog import source
from gleitzeit_extensions.catalog import survey as surveys
from gleitzeit_extensions.catalog.meta import Style
from gleitzeit_extensions.catalog.survey import survey
from tests.catalog.writing import HEAD, look, module, problems, write

NOBODY = 65534


@contextmanager
def rights_of_nobody() -> Iterator[None]:
    """Root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_path(tmp_path: Path) -> Iterator[Path]:
    """A directory that nobody, too, can get to."""
    above = [one for one in (tmp_path, *tmp_path.parents) if one.owner() == tmp_path.owner()]
    modes = {one: one.stat().st_mode for one in above}
    for one in above:
        one.chmod(modes[one] | 0o755)
    yield tmp_path
    for one, mode in modes.items():
        one.chmod(mode)


def test_every_layout_is_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "single.py": module("single"),
            "package/__init__.py": "",
            "package/extension.py": module("package"),
            "inside/__init__.py": module("inside"),
            "manifest/extension.yaml": HEAD,
            "manifest/service.py": "class Weather: ...\n",
            "a/b/c/extension.yaml": HEAD.replace("weather", "deep", 1),
        },
    )
    catalog = survey([tmp_path])
    assert problems(catalog, tmp_path) == []
    assert catalog.unread == ()
    assert {
        name: (str(one.path.relative_to(tmp_path)), one.target) for name, one in catalog.found.items()
    } == {
        "single": ("single.py", "Weather"),
        "package": ("package/extension.py", "Weather"),
        "inside": ("inside/__init__.py", "Weather"),
        "weather": ("manifest/extension.yaml", "service.Weather"),
        "deep": ("a/b/c/extension.yaml", "service.Weather"),
    }
    homes = {name: str(one.home.relative_to(tmp_path)) for name, one in catalog.found.items()}
    assert homes["single"] == "single.py"
    assert homes["package"] == "package"
    assert homes["deep"] == "a/b/c"
    assert catalog.found["single"].where == f"{tmp_path}/single.py:4"
    assert catalog.found["deep"].meta.description == "Tells the weather"
    assert [one.style for one in catalog.found.values()].count(Style.CONFIG) == 2


def test_a_search_path_can_be_the_directory_of_a_manifest(tmp_path: Path) -> None:
    write(tmp_path, {"extension.yaml": HEAD, "service.py": module("other")})
    assert look(tmp_path) == (["weather"], [])


@pytest.mark.parametrize(
    "name",
    [
        *(
            "_private.py",
            "_private/__init__.py",
            "below/single.py",
            ".hidden.py",
            "other.yaml",
            "extension.yml",
        ),
        *(".git/extension.yaml", "node_modules/x/extension.yaml", "a/__pycache__/extension.yaml"),
        *("site-packages/x/extension.yaml", "notes.txt"),
    ],
)
def test_what_lies_elsewhere_is_none(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: module("x") if name.endswith(".py") else HEAD})
    assert look(tmp_path) == ([], [])


def test_a_virtual_environment_is_not_looked_into(tmp_path: Path) -> None:
    write(tmp_path, {"env/pyvenv.cfg": "", "env/lib/x/extension.yaml": HEAD})
    assert look(tmp_path) == ([], [])


def test_nothing_is_run(tmp_path: Path) -> None:
    before, path = set(sys.modules), list(sys.path)
    evil = f"open({str(tmp_path / 'ran')!r}, 'w')\n" + module("evil")
    write(tmp_path, {"evil.py": evil, "package/__init__.py": evil.replace("evil", "other")})
    assert look(tmp_path)[0] == ["evil", "other"]
    assert not (tmp_path / "ran").exists()
    assert not {name for name in set(sys.modules) - before if "evil" in name or "package" in name}
    assert sys.path == path


def test_a_module_that_does_not_mention_us_is_none_even_if_it_is_broken(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"broken.py": "def (:\n", "binary.py": bytes(range(256)), "null.py": "a = '\0'\n", "empty.py": ""},
    )
    assert look(tmp_path) == ([], [])


def test_what_is_broken_is_told_and_harms_nobody(tmp_path: Path) -> None:
    us = "import gleitzeit_extensions\n"
    write(
        tmp_path,
        {
            "fine.py": module("fine"),
            "syntax.py": f"{us}\ndef (:\n",
            "null.py": f"{us}a = '\0'\n",
            "latin.py": us.encode() + b"a = '\xe4'\n",
            "deep.py": us + "(" * 5000,
            "signs.py": us + "-" * 100_000 + "1",
            "wrong.py": module("wrong").replace("@ext", "@model('')\n@ext"),
            "bad/extension.yaml": HEAD.replace("description", "descripton"),
            "list/extension.yaml": "- a\n",
        },
    )
    found, said = look(tmp_path)
    assert found == ["fine"]
    assert sorted(one.partition(": ")[0] for one in said) == [
        *("bad/extension.yaml:1:1", "bad/extension.yaml:2:1", "deep.py:2", "latin.py:2"),
        *("list/extension.yaml:1:1", "null.py:1", "signs.py:1", "syntax.py:3", "wrong.py:3"),
    ]
    assert "wrong.py:3: @model needs a name, not ''" in said


def test_a_problem_names_the_extension_where_that_could_be_read(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"a.py": module("a").replace("@ext", "@model('')\n@ext"), "b/extension.yaml": HEAD + "version: 1\n"},
    )
    assert {one.name for one in survey([tmp_path]).problems} == {"a", "weather"}


def test_two_of_one_name_are_a_problem_and_neither_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"one.py": module("weather"), "two/extension.yaml": HEAD, "three.py": module("three")})
    catalog = survey([tmp_path])
    assert list(catalog.found) == ["three"]
    (problem,) = catalog.problems
    assert problem.name == "weather"
    assert {f"{tmp_path}/one.py:4", f"{tmp_path}/two/extension.yaml:1"} == {
        problem.place,
        problem.sentence.removeprefix('"weather" is declared at ').removesuffix(", too"),
    }


def test_the_same_one_found_twice_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"ext/single.py": module("single"), "ext/m/extension.yaml": HEAD})
    (tmp_path / "link").symlink_to(tmp_path / "ext")
    (tmp_path / "ext/again.py").symlink_to(tmp_path / "ext/single.py")
    monkeypatch.chdir(tmp_path)
    paths: list[str | Path] = [
        "ext",
        tmp_path / "ext",
        tmp_path / "link",
        tmp_path / "ext/m",
        f"{tmp_path}/ext/../ext/",
    ]
    catalog = survey(paths)
    assert sorted(catalog.found) == ["single", "weather"]
    assert catalog.problems == ()


def test_links_are_followed_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"work/weather/extension.yaml": HEAD, "work/package/__init__.py": module("package"), "ext/x.txt": ""},
    )
    ext = tmp_path / "ext"
    (ext / "weather").symlink_to(tmp_path / "work/weather")
    (ext / "package").symlink_to(tmp_path / "work/package")
    (ext / "weather/up").symlink_to(ext)
    (ext / "weather/up_again").symlink_to(ext)
    (ext / "loop").symlink_to(ext / "loop")
    (ext / "loop.py").symlink_to(ext / "loop.py")
    (ext / "gone.py").symlink_to("nowhere.py")
    assert look(ext) == (["package", "weather"], [])


def test_what_has_a_manifest_is_one_extension_by_a_link_too(tmp_path: Path) -> None:
    write(tmp_path, {"work/__init__.py": module("inside"), "work/extension.yaml": HEAD, "ext/x.txt": ""})
    (tmp_path / "ext/weather").symlink_to(tmp_path / "work")
    assert look(tmp_path) == look(tmp_path / "ext") == (["weather"], [])


def test_a_manifest_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"fine.py": module("fine")})
    (tmp_path / "a").mkdir()
    (tmp_path / "a/extension.yaml").symlink_to("nowhere")
    found, (said,) = look(tmp_path)
    assert found == ["fine"]
    assert said == "a/extension.yaml:1:1: cannot be read: No such file or directory"


def test_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    for name in ("p", "z"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "p/extension.yaml")
    (tmp_path / "z/extension.yaml").symlink_to("/dev/zero")
    assert look(tmp_path) == ([], [f"{one}/extension.yaml:1:1: is no file" for one in "pz"])


def test_a_huge_module_is_none(tmp_path: Path) -> None:
    with (tmp_path / "huge.py").open("w") as file:
        file.write(module("huge"))
        file.truncate(50 * 1024 * 1024)
    assert look(tmp_path) == ([], [])


def test_what_may_not_be_read_is_told_and_harms_nobody(open_path: Path) -> None:
    write(
        open_path,
        {
            "fine.py": module("fine"),
            "closed.py": module("closed"),
            "package/__init__.py": module("package"),
            "m/extension.yaml": HEAD,
            "shut/inner/extension.yaml": HEAD,
        },
    )
    for name, mode in {"closed.py": 0, "package": 0, "m/extension.yaml": 0, "shut": 0o600}.items():
        (open_path / name).chmod(mode)
    try:
        with rights_of_nobody():
            found, said = look(open_path)
    finally:
        (open_path / "package").chmod(0o755)
        (open_path / "shut").chmod(0o755)
    assert found == ["fine"]
    assert all(one.endswith("cannot be read: Permission denied") for one in said)
    assert {one.partition(":")[0].removeprefix(f"{open_path}/") for one in said} >= {
        "closed.py",
        "m/extension.yaml",
        "package",
    }


def test_a_search_path_that_may_not_be_read_is_told(open_path: Path) -> None:
    (open_path / "shut").mkdir(mode=0)
    with rights_of_nobody():
        assert look(open_path / "shut") == ([], [f"{open_path}/shut: cannot be read: Permission denied"])


@pytest.mark.parametrize("path", ["nowhere", "file.txt", "file.txt/below", ""])
def test_a_search_path_that_is_not_there_holds_nothing(tmp_path: Path, path: str) -> None:
    (tmp_path / "file.txt").touch()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert look(tmp_path / path if path else empty) == ([], [])


def test_a_search_path_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    write(tmp_path, {"fine.py": module("fine")})
    catalog = survey(["a\0b", tmp_path])
    assert list(catalog.found) == ["fine"]
    assert problems(catalog, tmp_path) == [r"'a\x00b': cannot be a path"]


def test_a_path_with_too_many_directories_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surveys, "MOST_DIRECTORIES", 3)
    write(tmp_path, {"a/extension.yaml": HEAD, "b/c/x.txt": "", "d/x.txt": ""})
    found, (said,) = look(tmp_path)
    assert found == ["weather"]
    assert said == f"{tmp_path}: has more than 3 directories: no others were looked into"


def test_what_is_computed_is_left_to_whoever_runs_it(tmp_path: Path) -> None:
    write(tmp_path, {"computed.py": module("x").replace('"x"', "'x'.upper()"), "fine.py": module("fine")})
    catalog = survey([tmp_path, tmp_path])
    assert list(catalog.found) == ["fine"]
    assert catalog.unread == (tmp_path / "computed.py",)


def test_they_come_in_the_order_of_the_search_paths(tmp_path: Path) -> None:
    write(tmp_path, {"b/x.py": module("x"), "b/a.py": module("a"), "a/z.py": module("z")})
    assert list(survey([tmp_path / "b", tmp_path / "a"]).found) == ["a", "x", "z"]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_no_text_of_a_module_makes_the_survey_fail(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    code = module("w").encode() + b"@model('m', **{'a': [1]})\n@capability(*('a',))\nclass B: pass\n"
    at, until = sorted((data.draw(st.integers(0, len(code))), data.draw(st.integers(0, len(code)))))
    path = tmp_path_factory.getbasetemp() / "noise.py"
    path.write_bytes(
        code[:at] + data.draw(st.binary(max_size=6) | st.text(max_size=6).map(str.encode)) + code[until:]
    )
    try:
        found, wrong = source.read(path, path)
    except source.Unreadable:
        return
    assert all(one.place.startswith(f"{path}:") for one in wrong)
    assert len(found) <= 2


def test_a_directory_that_is_no_package_yet_is_told_what_it_lacks(tmp_path: Path) -> None:
    write(tmp_path, {"pk/extension.py": module("pk"), "other/extension.py": "x = 1\n"})

    (told,) = problems(survey([tmp_path]), tmp_path)
    assert told == "pk/extension.py:4: pk is no package: it needs an __init__.py, which may be empty"

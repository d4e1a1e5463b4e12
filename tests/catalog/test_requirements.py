"""Which requirements this interpreter meets, asked of the packages that are really there."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from gleitzeit_extensions.catalog.requirements import unmet

PYTEST = version("pytest")


def package(directory: Path, name: str, version: str, *requires: str, extras: str = "") -> None:
    info = directory / f"{name}-{version}.dist-info"
    info.mkdir()
    lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
    lines += [f"Provides-Extra: {extras}"] if extras else []
    (info / "METADATA").write_text("Metadata-Version: 2.1\n" + "\n".join(lines) + "\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    "requirement",
    [
        "pytest",
        "PyTest >= 2, < 99",
        "ruamel.yaml~=0.17",
        "ruamel_yaml!=0.1",
        f"pytest=={PYTEST}",
        "nothing-there; python_version < '3'",
        "nothing-there; extra == 'never'",
        "pytest[unknown-extra]",
    ],
)
def test_what_is_there_is_met(requirement: str) -> None:
    assert unmet([requirement]) == []


@pytest.mark.parametrize(
    ("requirement", "installed", "sentence"),
    [
        (
            "nothing-there>=2",
            None,
            "needs nothing-there>=2, which is not installed: pip install 'nothing-there>=2'",
        ),
        ("pytest<2", PYTEST, f"needs pytest<2, but {PYTEST} is installed: pip install 'pytest<2'"),
        (
            "nothing-there; python_version > '3'",
            None,
            "needs nothing-there; python_version > '3', which is not installed: pip install 'nothing-there'",
        ),
        ("requests>>2", None, "needs 'requests>>2', which is no requirement: "),
        ("", None, "needs '', which is no requirement: "),
        ("a\0b", None, "needs 'a\\x00b', which is no requirement: "),
    ],
)
def test_what_is_not_met_is_a_sentence(requirement: str, installed: str | None, sentence: str) -> None:
    (one,) = unmet([requirement])
    assert (one.requirement, one.installed) == (requirement, installed)
    assert one.sentence.startswith(sentence)


def test_the_extras_of_a_package_are_looked_into(packages: Path) -> None:
    package(packages, "llm", "1.0", "deep-one>=2; extra == 'fast'", "never; extra == 'other'", extras="fast")
    package(packages, "deep-one", "1.0")
    assert unmet(["llm"]) == []
    assert [one.requirement for one in unmet(["llm[fast]"])] == ["deep-one>=2; extra == 'fast'"]


def test_packages_that_need_one_another_come_to_an_end(packages: Path) -> None:
    package(packages, "left", "1", "right[x]; extra == 'x'", extras="x")
    package(packages, "right", "1", "left[x]; extra == 'x'", extras="x")
    assert unmet(["left[x]"]) == []


def test_a_prerelease_that_is_installed_counts(packages: Path) -> None:
    package(packages, "early", "2.0rc1")
    assert unmet(["early>=1"]) == []
    assert [one.installed for one in unmet(["early>=2"])] == ["2.0rc1"]


def test_a_version_that_is_none_is_not_the_one_that_is_needed(packages: Path) -> None:
    package(packages, "odd", "not-a-version")
    assert unmet(["odd"]) == []
    assert [one.installed for one in unmet(["odd>=1"])] == ["not-a-version"]


def test_a_package_whose_description_is_lost_is_not_installed(packages: Path) -> None:
    (packages / "broken-1.dist-info").mkdir()
    (packages / "broken-1.dist-info/METADATA").write_text("")
    assert [one.requirement for one in unmet(["broken"])] == ["broken"]


def test_every_one_is_told() -> None:
    assert [one.requirement for one in unmet(["pytest<1", "pytest", "nothing-there"])] == [
        "pytest<1",
        "nothing-there",
    ]

"""What `make dist` made installs into an environment that has nothing else, and works there.

Nothing is fetched: what it depends on lies in `build/wheels`.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gleitzeit_extensions.version import VERSION
from tests.house import House

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
WHEEL = DIST / f"gleitzeitd-{VERSION}-py3-none-any.whl"
SOURCE = DIST / f"gleitzeitd-{VERSION}.tar.gz"
PIP = ("-m", "pip", "--isolated", "--disable-pip-version-check", "--no-input", "--quiet")
PACKAGES = {"gleitzeitd", "gleitzeitctl", "gleitzeit_extensions", "providers"}
EPOCH = (2020, 2, 2, 0, 0, 0)
"""Of every file in a wheel, as hatchling has it: the bytes do not tell when it was made."""


def run(*words: str | Path, **environment: str) -> str:
    """What a program prints, that has nothing of our environment."""
    done = subprocess.run(
        [str(word) for word in words],
        env={"PATH": os.defpath, "LANG": "C.UTF-8", **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that a packager makes of the source alone."""
    made = tmp_path_factory.mktemp("rebuilt")
    run(sys.executable, *PIP, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", made, SOURCE)
    return made / WHEEL.name


@pytest.fixture(scope="module", params=["wheel", "source"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an environment of Debian's Python with it, and with what it depends on."""
    wheel: Path = WHEEL if request.param == "wheel" else request.getfixturevalue("rebuilt")
    directory = tmp_path_factory.mktemp("installed")
    run("/usr/bin/python3", "-m", "venv", "--without-pip", directory)
    python = directory / "bin/python"
    wheels = ("--no-index", "--find-links", ROOT / "build/wheels")
    run(ROOT / "build/debian/bin/python", *PIP, "--python", python, "install", *wheels, wheel)
    return directory


class Installed(House):
    """A daemon of that environment, which knows nothing of this one."""

    def __init__(self, root: Path, config: str, programs: Path) -> None:
        super().__init__(root, config, foreground=True)
        self.programs = programs
        ours = ("GLEITZEIT_SOCKET", "LOGS_DIRECTORY", "STATE_DIRECTORY")
        self.environment = {
            "PATH": os.defpath,
            "HOME": str(root),
            **{key: self.environment[key] for key in ours},
        }

    def _started(self, printed: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.programs / "gleitzeitd", "--config", self.config],
            env=self.environment,
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
        )


@pytest.fixture
def h(installed: Path, tmp_path: Path) -> Iterator[Installed]:
    """It runs the first provider of the file that comes along."""
    example = YAML(typ="safe").load(installed / "share/gleitzeit/providers.yaml")
    name, block = next(iter(example["providers"].items()))
    config = tmp_path / "written.yaml"
    wanted = {"global": {"default_server_url": "http://localhost:0"}, "providers": {name: block}}
    YAML(typ="safe").dump(wanted, config)
    built = Installed(tmp_path, config.read_text(), installed / "bin")
    built.start()
    try:
        yield built
    finally:
        built.end()
        assert built.left_behind() == []


def test_it_runs_a_daemon_that_answers(h: Installed) -> None:
    programs, where = h.programs, h.environment
    for name in ("gleitzeitctl", "gleitzeit", "gleitzeitd"):
        assert run(programs / name, "--version") == f"{name} {VERSION}\n"
    assert "--config" in run(programs / "gleitzeitd", "--help")

    h.until("calculator", "RUNNING")
    told = run(programs / "gleitzeitctl", "providers", "invoke", "calculator", "add", "a=5", "b=3", **where)
    assert "8" in told
    assert "Traceback" not in h.said()


def test_it_brings_its_own_packages_and_no_others(installed: Path) -> None:
    (site,) = installed.glob("lib/python3*/site-packages")
    record = (site / f"gleitzeitd-{VERSION}.dist-info/RECORD").read_text()
    paths = [line.split(",")[0] for line in record.splitlines()]
    inside = {path.split("/")[0] for path in paths if not path.startswith("../")}

    assert inside == {*PACKAGES, f"gleitzeitd-{VERSION}.dist-info"}
    assert {path for path in paths if path.startswith("../") and "/share/" in path} == {
        f"../../../share/gleitzeit/{path.relative_to(ROOT / 'etc')}" for path in files("etc")
    } | {f"../../../share/gleitzeit/{path.relative_to(ROOT)}" for path in files("systemd")}
    assert "License-File: LICENSE" in (site / f"gleitzeitd-{VERSION}.dist-info/METADATA").read_text()


def test_who_checks_types_sees_those_of_the_sdk(installed: Path, tmp_path: Path) -> None:
    program = tmp_path / "mine.py"
    program.write_text("from gleitzeit_extensions.client import SyncClient\nSyncClient(1, 2, 3, 4)\n")
    mypy = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        f"--cache-dir={tmp_path}/cache",
    ]
    checked = subprocess.run(
        [*mypy, f"--python-executable={installed}/bin/python", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert 'Too many positional arguments for "SyncClient"' in checked.stdout, checked.stdout
    assert "py.typed" not in checked.stdout, "it is not said to be typed"


def files(*tops: str) -> list[Path]:
    """What git knows below these, and what it will know."""
    listed = run("git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "-z", *tops, HOME=str(ROOT))
    return [path for name in listed.split("\0") if name and (path := ROOT / name).exists()]


def test_the_source_has_all_that_a_packager_needs_and_nothing_that_was_made() -> None:
    top = f"gleitzeitd-{VERSION}/"
    with tarfile.open(SOURCE) as archive:
        members = {one.name.removeprefix(top): one for one in archive.getmembers()}

    assert set(members) == {*(str(path.relative_to(ROOT)) for path in files()), "PKG-INFO"}
    assert {
        "LICENSE",
        "systemd/gleitzeitd.service",
        "docs/operations.md",
        "tests/house.py",
        "Makefile",
    } <= set(members)
    assert not [name for name, one in members.items() if not one.isfile()]
    assert not [name for name, one in members.items() if one.mode & (stat.S_IWOTH | stat.S_ISUID)]
    assert {(one.uid, one.gid, one.uname) for one in members.values()} == {(0, 0, "")}


def test_the_source_makes_the_same_wheel(rebuilt: Path) -> None:
    assert rebuilt.read_bytes() == WHEEL.read_bytes()
    with zipfile.ZipFile(rebuilt) as archive:
        assert {one.date_time for one in archive.infolist()} == {EPOCH}

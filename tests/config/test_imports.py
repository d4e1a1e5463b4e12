"""What is found out of a class by importing it elsewhere: why it cannot be, and nothing that it does."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.lowlevel
import psutil
import pytest

from gleitzeitd.config import imports
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import ClassTarget, CommandTarget, ExtensionTarget, Spec

ROOT = Path(__file__).resolve().parents[2]
PROVIDER = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class P(SocketIOProviderClient):
    pass
"""


def spec(name: str = "p", path: str = "mine.P", python: str | None = None) -> Spec:
    return Spec(name, "tool", ClassTarget(path), python=python)


def environment(spec: Spec) -> Mapping[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}


def failures(directory: Path, *specs: Spec) -> dict[str, str]:
    return anyio.run(imports.failures, specs, [str(directory)], environment)


def failure(directory: Path, module: str) -> str | None:
    """What is wrong with a module `mine` that has this text and then a provider."""
    (directory / "mine.py").write_text(textwrap.dedent(module) + PROVIDER)
    return failures(directory, spec()).get("p")


def has_ended(pid: int) -> bool:
    """Whether it has, within five seconds; what nobody reaps has ended, too."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.01)
    return False


def test_a_class_that_can_be_imported_is_no_failure(tmp_path: Path) -> None:
    assert failure(tmp_path, "") is None


def test_a_class_is_never_imported_in_this_process(tmp_path: Path) -> None:
    failure(tmp_path, f"import os; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))")

    assert int((tmp_path / "pid").read_text()) != os.getpid()
    assert "mine" not in sys.modules


def test_a_missing_package_is_named_with_what_installs_it(tmp_path: Path) -> None:
    told = failure(tmp_path, "import nowhere_to_be_found.inner")

    assert told == (
        "cannot import mine: mine.py:1: ModuleNotFoundError: No module named 'nowhere_to_be_found': "
        "pip install nowhere_to_be_found, or have `python` name an interpreter that has it"
    )


def test_a_missing_module_of_ones_own_is_not_to_be_installed(tmp_path: Path) -> None:
    told = failures(tmp_path, spec(path="mien.P"))["p"]

    assert told.startswith("there is no module mien")
    assert "pip install" not in told


def test_a_module_that_raises_says_where(tmp_path: Path) -> None:
    told = failure(tmp_path, "\nraise ValueError('not today')")

    assert told == "cannot import mine: mine.py:2: ValueError: not today"


def test_what_a_module_prints_is_neither_shown_nor_taken_for_the_answer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told = failure(
        tmp_path,
        """
        import os, sys
        print('{"mistake": "none of ours"}', flush=True)
        os.write(1, b"noise"); os.write(2, b"noise"); print("noise", file=sys.stderr, flush=True)
        """,
    )

    assert told is None
    assert capfd.readouterr() == ("", "")


def test_a_module_that_ends_its_process_is_a_failure(tmp_path: Path) -> None:
    told = failure(tmp_path, "import os; os._exit(0)")

    assert told == f"cannot import mine.P: {sys.executable} ended with status 0 over it"


def test_a_module_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "PATIENCE", 2.0)
    told = failure(
        tmp_path,
        f"""
        import subprocess, time
        child = subprocess.Popen(["sleep", "1000"])
        open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
        time.sleep(1000)
        """,
    )

    assert told == "cannot import mine.P: it takes more than 2 s"
    assert has_ended(int((tmp_path / "pid").read_text()))


def test_the_interpreter_of_the_provider_is_the_one_that_imports(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\nexit 3\n")
    other.chmod(0o755)
    told = failures(tmp_path, spec(python=str(other)), spec("q", python="/nowhere/python"))

    assert told == {
        "p": f"cannot import mine.P: {other} ended with status 3 over it",
        "q": "cannot run /nowhere/python: No such file or directory",
    }


def test_an_interpreter_without_our_package_says_so(tmp_path: Path) -> None:
    (tmp_path / "gleitzeit_extensions.py").write_text("raise ImportError('it is not here')")
    bare = {"PYTHONPATH": str(tmp_path)}
    told = anyio.run(imports.failures, [spec()], [], lambda _: bare)["p"]

    assert told == (
        f"{sys.executable} cannot import gleitzeit_extensions (it is not here): pip install gleitzeitd there"
    )


def test_an_environment_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    def unreadable(spec: Spec) -> Mapping[str, str]:
        raise ConfigError(("vars: the env_file cannot be read",))

    assert anyio.run(imports.failures, [spec()], [], unreadable) == {"p": "vars: the env_file cannot be read"}


EXTENSION = """
from gleitzeit_extensions.decorators import extension, requires

@extension(name="mine")
@requires({requires})
class Mine:
    def __init__(self, size=1):
        raise SystemExit("it is not to be made")
"""


def extension_failure(
    directory: Path, module: str, requires: str = "", given: Mapping[str, object] | None = None
) -> str | None:
    """What is wrong with an extension whose module has this text at its end."""
    (directory / "mine.py").write_text(EXTENSION.format(requires=requires) + module)
    found = Spec("p", "extension", ExtensionTarget("mine", (str(directory),)), config=given or {})
    return failures(directory, found).get("p")


def test_an_extension_is_imported_and_not_made(tmp_path: Path) -> None:
    assert extension_failure(tmp_path, "") is None


def test_an_extension_that_does_not_take_what_it_is_given_says_so(tmp_path: Path) -> None:
    told = extension_failure(tmp_path, "", given={"sise": 3, "name": "p"})

    assert told is not None
    assert "it does not take sise (did you mean size?); it takes size" in told
    assert extension_failure(tmp_path, "", given={"size": 3}) is None


def test_an_extension_that_cannot_be_imported_says_where(tmp_path: Path) -> None:
    told = extension_failure(tmp_path, "import nowhere_to_be_found\n")

    assert told is not None
    assert f"{tmp_path}/mine.py:9: ModuleNotFoundError" in told
    assert "pip install nowhere_to_be_found" in told


def test_an_extension_without_what_it_needs_says_so(tmp_path: Path) -> None:
    told = extension_failure(tmp_path, "", '"packaging>=1000"')

    assert told is not None
    assert "packaging>=1000" in told


def test_an_extension_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    found = Spec("p", "extension", ExtensionTarget("mine", (str(tmp_path),)))

    assert failures(tmp_path, found)["p"] == f'there is no extension "mine": looked in {tmp_path}, found none'


def test_a_command_is_not_imported(tmp_path: Path) -> None:
    assert failures(tmp_path, Spec("p", "tool", CommandTarget(("false",)))) == {}


def test_four_are_imported_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    active, most = 0, 0

    async def busy(*_: object) -> None:
        nonlocal active, most
        active += 1
        most = max(most, active)
        for _turn in range(10):
            await anyio.lowlevel.checkpoint()
        active -= 1

    monkeypatch.setattr(imports, "_mistake", busy)
    failures(tmp_path, *(spec(f"p{number}") for number in range(9)))

    assert most == 4


@pytest.mark.parametrize("then", ["", "os._exit(3)"])
def test_what_a_module_forks_keeps_nobody_waiting_and_ends_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, then: str
) -> None:
    monkeypatch.setattr(imports, "PATIENCE", 10.0)
    told = failure(
        tmp_path,
        f"""
        import os, time
        forked = os.fork()
        if not forked:
            time.sleep(1000)
        open({str(tmp_path / "pid")!r}, "w").write(str(forked))
        {then}
        """,
    )

    assert told == (f"cannot import mine.P: {sys.executable} ended with status 3 over it" if then else None)
    assert has_ended(int((tmp_path / "pid").read_text()))


def test_a_directory_is_told_once(tmp_path: Path) -> None:
    wanted = Spec("p", "tool", ClassTarget("mien.P"), python_path=(str(tmp_path),))

    assert failures(tmp_path, wanted)["p"].count(str(tmp_path)) == 1


TAKES = """
from gleitzeit_extensions.socketio_provider_client import SocketIOProviderClient

class P(SocketIOProviderClient):
    checks_config = True
    def __init__(self, *, rows: int, **kwargs):
        super().__init__(**kwargs)
"""


def test_a_class_is_asked_whether_it_takes_the_keys_of_its_block(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TAKES)
    configs: dict[str, dict[str, object]] = {
        "wrong": {"rwos": 1},
        "needed": {},
        "good": {"rows": 1, "name": "x"},
    }
    wrong, needed, good = (
        Spec(name, "tool", ClassTarget("mine.P"), config=config) for name, config in configs.items()
    )
    found = failures(tmp_path, wrong, needed, good)
    assert found["wrong"].startswith("config.rwos: P does not take it (did you mean rows?); it takes ")
    assert found["needed"] == "cannot make P: config.rows is required (mine.py:6)"
    assert "good" not in found

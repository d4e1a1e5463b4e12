"""The tree of commands: all of it in the help, little of it imported."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.version import VERSION
from gleitzeitctl.app import TREE
from gleitzeitctl.deferred import deferred
from gleitzeitctl.session import Session
from gleitzeitctl.tree import LazyGroup, root
from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, reply

HEAVY = {
    "aiohttp",
    "anyio",
    "asyncio",
    "email",
    "engineio",
    "gleitzeitd",
    "http",
    "psutil",
    "pydantic",
    "rich",
    "ruamel",
    "socketio",
    "structlog",
}
PUT_OFF = {"difflib", "gettext", "platform", "shutil", "subprocess", "uuid"}
"""What typer imports if nothing stops it."""

# -X importtime does not tell of what importlib.import_module imports
LIST_MODULES = """
import sys
from gleitzeitctl.app import main
status = main()
print(*sys.modules, file=sys.stderr)
sys.exit(status)
"""


def paths(tree: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, entry in tree.items():
        if isinstance(entry, dict):
            yield from ((name, *rest) for rest in paths(entry))
        elif name:
            yield (name,)


COMMANDS = [pytest.param(path, id=" ".join(path)) for path in paths(TREE)]


def imported(ctl: Ctl, *line: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    done = ctl.alone(*line, run=("-c", LIST_MODULES))
    assert done.returncode == 0
    return set(done.stderr.split())


@pytest.mark.parametrize("line", ["status", "start a", "providers invoke a m", "version"])
def test_a_command_imports_nothing_heavy(daemon: FakeDaemon, ctl: Ctl, line: str) -> None:
    about: dict[str, Any] = {
        "state": "running",
        "config": "",
        "problems": [],
        "failures": [],
        "after_daemon_restart": [],
    }
    about |= {"refused": False, "not_kept": "", "changing": []}
    status = {"daemon": about, "instances": []}
    version = {"version": "1", "proto": 1, "python": "3.11", "pid": 1}
    daemon.answers(reply(status | version | {"results": [], "result": 1}))

    packages = {name.partition(".")[0] for name in imported(ctl, *line.split())}

    assert packages & (HEAVY | PUT_OFF) == set()
    assert "typer" in packages


def test_the_help_of_all_commands_imports_nothing_heavy(ctl: Ctl) -> None:
    assert {name.partition(".")[0] for name in imported(ctl, "--help")} & HEAVY == set()


def test_only_the_chosen_command_is_imported(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"results": []}))

    commands = {name for name in imported(ctl, "start", "a") if name.startswith("gleitzeitctl.commands.")}

    assert commands == {"gleitzeitctl.commands.steer"}


def test_the_help_lists_every_command(ctl: Ctl) -> None:
    done = ctl("--help")

    commands = done.stdout.partition("Look:")[2].splitlines()
    listed = [line.split()[0] for line in commands if line[:2] == "  " != line[2:4]]
    assert (done.returncode, done.stderr) == (0, "")
    assert listed == [name for name in TREE if name]
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_help_with_an_example(ctl: Ctl, path: tuple[str, ...]) -> None:
    done = ctl(*path, "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: gleitzeitctl {' '.join(path)} ")
    assert "--socket" in done.stdout
    assert "--json" in done.stdout
    assert words_of_example(done.stdout)[1 : len(path) + 1] == list(path)
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("path", COMMANDS)
def test_every_example_can_be_typed_as_it_stands(path: tuple[str, ...]) -> None:
    group: Any = root(TREE, has_completion=False)
    with group.make_context("gleitzeitctl", list(path), obj=Session()) as context:
        for name in path[:-1]:
            group = group.get_command(context, name)
        command = group.get_command(context, path[-1])

        words = words_of_example(command.help)
        command.make_context(path[-1], words[len(path) + 1 :], parent=context)


def words_of_example(text: str) -> list[str]:
    return shlex.split(text.partition("Example:")[2].strip().splitlines()[0])


def test_the_usage_names_what_must_be_given_as_everybody_does(ctl: Ctl) -> None:
    usage = ctl("providers", "invoke", "--help").stdout.splitlines()[0]

    assert usage.startswith("Usage: gleitzeitctl providers invoke [OPTIONS] NAME [METHOD]")


def test_an_unknown_name_is_no_command() -> None:
    group = root(TREE, has_completion=False)

    assert isinstance(group, LazyGroup)
    with group.make_context("gleitzeitctl", ["status"], obj=Session()) as context:
        assert group.get_command(context, "") is None
        assert group.get_command(context, "nothing") is None


@pytest.fixture
def slow_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "slow_one.py").write_text("VALUE = 3\n\ndef double(n):\n    return 2 * n\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "slow_one"
    sys.modules.pop("slow_one", None)


def test_a_deferred_function_imports_its_module_when_it_is_called(slow_module: str) -> None:
    with deferred({slow_module: ("double",)}):
        from slow_one import double  # type: ignore[import-not-found]
    assert slow_module not in sys.modules

    assert double(4) == 8
    assert slow_module in sys.modules


def test_a_deferred_module_imports_itself_for_what_was_not_promised(slow_module: str) -> None:
    with deferred({slow_module: ("double",)}):
        from slow_one import VALUE

        assert (VALUE, slow_module in sys.modules) == (3, True)


def test_a_module_that_is_imported_already_is_left_alone() -> None:
    with deferred({"json": ()}):
        import json

        assert json.loads("1") == 1
    assert sys.modules["json"] is json


@pytest.mark.parametrize("program", ["gleitzeitctl", "gleitzeit"])
def test_its_version_is_told_without_a_daemon(ctl: Ctl, program: str) -> None:
    run = f"import sys; sys.argv[0] = '{program}'; from gleitzeitctl.app import main; sys.exit(main())"
    done = ctl.alone("--version", env={"GLEITZEIT_SOCKET": "/nowhere"}, run=("-c", run))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{program} {VERSION}\n", "")

"""`providers create-template`: what it writes runs as it is, and it touches nothing that is there."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gleitzeitctl.commands import template_files
from gleitzeitctl.commands.template_files import files, write
from gleitzeitctl.commands.template_names import Names, names
from gleitzeitctl.complaint import Complaint
from tests.ctl.conftest import Ctl
from tests.docs.desk import OURS_ALONE
from tests.house import House, eventually
from tests.warm import ROOT

PROGRAMS = Path(sys.executable).parent
CREATE = ("providers", "create-template")
STYLES = [
    ("llm", "class"),
    ("tool", "class"),
    ("llm", "decorator"),
    ("llm", "yaml"),
    ("tool", "decorator"),
    ("tool", "yaml"),
    ("extension", "decorator"),
    ("extension", "yaml"),
]


@pytest.fixture
def here(tmp_path: Path) -> Ctl:
    return Ctl(str(tmp_path / "d.sock"))


def created(ctl: Ctl, *line: str) -> dict[str, Any]:
    done = ctl(*CREATE, *line, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def typed(directory: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A command that it printed, typed as it stands in the directory in which it was made."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    environment["PYTEST_ADDOPTS"] = OURS_ALONE
    return subprocess.run(
        shlex.split(line), cwd=directory, env=environment, capture_output=True, text=True, timeout=60
    )


@contextmanager
def serving(directory: Path, line: str) -> Iterator[House]:
    """The daemon that `line` starts; only its port is another, as some daemon may have that already."""
    config = directory / shlex.split(line)[-1]
    text = config.read_text()
    port = "  default_server_url: http://127.0.0.1:0\n"
    text = text.replace("global:\n", f"global:\n{port}") if "global:\n" in text else f"global:\n{port}{text}"
    h = House(directory, text, foreground=True)
    h.config.unlink()
    config.write_text(text)
    h.config = config
    h.start()
    try:
        yield h
    finally:
        h.end()
        assert h.left_behind() == []


def test_all_that_is_written_passes_its_tests_and_validates(here: Ctl, tmp_path: Path) -> None:
    made = [
        created(here, "--type", type, "--name", f"{type}-{style}", "--style", style) for type, style in STYLES
    ]

    tested = typed(tmp_path, "python -m pytest -q -p no:cacheprovider .")
    assert tested.returncode == 0, tested.stdout
    assert "passed" in tested.stdout
    ours = f"--config {shlex.quote(str(ROOT / 'pyproject.toml'))}"
    for check in (f"ruff check -q --no-cache {ours} .", f"ruff format -q --check --no-cache {ours} ."):
        checked = typed(tmp_path, check)
        assert checked.returncode == 0, checked.stdout
    for told in made:
        written = {path.name for path in (tmp_path / told["directory"]).iterdir()} - {"__pycache__"}
        assert written == set(told["files"])
        validated = here(*shlex.split(told["next"][2])[1:])
        assert (validated.returncode, validated.stdout) == (
            0,
            f"{told['directory']}/providers.yaml: ok, 1 provider\n",
        )


@pytest.mark.parametrize(
    ("type", "style", "answer"), [("llm", "class", "You said: hello"), ("tool", "decorator", '"words": 2')]
)
def test_what_is_told_works_as_it_is_typed(
    here: Ctl, tmp_path: Path, type: str, style: str, answer: str
) -> None:
    _install, test, _validate, serve, call = created(
        here, "--type", type, "--name", "my own", "--style", style
    )["next"]

    assert " passed in " in typed(tmp_path, test).stdout
    with serving(tmp_path, serve) as h:
        eventually(lambda: h.client.get("/v1/status")["instances"][0]["ready"])
        done = here(*shlex.split(call)[1:], env={"GLEITZEIT_SOCKET": str(h.socket)})

    assert (answer in done.stdout, done.stderr) == (True, ""), done


def test_the_style_is_that_of_its_kind_unless_it_is_said(here: Ctl, tmp_path: Path) -> None:
    for type in ("llm", "tool", "extension"):
        created(here, "--type", type, "--name", f"a-{type}")

    assert "class ALlmProvider(SocketIOProviderClient)" in (tmp_path / "a_llm/a_llm.py").read_text()
    assert "class AToolProvider(SocketIOProviderClient)" in (tmp_path / "a_tool/a_tool.py").read_text()
    assert '@extension(name="a-extension"' in (tmp_path / "a_extension/a_extension.py").read_text()


def test_people_are_told_what_to_type_next(here: Ctl) -> None:
    done = here(*CREATE, "--type", "llm", "--name", "my_llm_provider", "--output", "some where")

    assert done.returncode == 0
    assert "serve --provider-config 'some where/my_llm_provider'/providers.yaml" in done.stdout


def test_what_is_there_is_not_touched(here: Ctl, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.py").write_text("precious")

    done = here(*CREATE, "--type", "tool", "--name", "mine")

    assert done.returncode == 2
    assert "mine is there already" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith("d.")] == ["mine"]
    assert (tmp_path / "mine" / "mine.py").read_text() == "precious"


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [2]

    def on_a_full_disk(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return open(*args, **kwargs)

    texts = files(Names("a", "a", "AProvider"), "llm", "class")
    monkeypatch.setattr(template_files, "open", on_a_full_disk, raising=False)

    with pytest.raises(Complaint, match="No space left on device: nothing was written"):
        write(str(tmp_path / "a"), texts)
    assert list(tmp_path.iterdir()) == []


def test_where_no_directory_can_be_is_told(here: Ctl, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = here(*CREATE, "--type", "tool", "--name", "a", "--output", "file/x")

    assert done.returncode == 1
    assert "cannot make file/x/a: Not a directory: nothing was written" in done.stderr


def test_an_extension_is_no_class(here: Ctl) -> None:
    done = here(*CREATE, "--type", "extension", "--name", "a", "--style", "class")

    assert done.returncode == 2
    assert "--style decorator or yaml" in done.stderr


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("my-llm provider", Names("my-llm-provider", "my_llm_provider", "MyLlmProvider")),
        ("my_llm", Names("my_llm", "my_llm", "MyLlmProvider")),
        ("MyLLM", Names("MyLLM", "my_llm", "MyLlmProvider")),
        ("3d.tool", Names("3d.tool", "provider_3d_tool", "Provider3dToolProvider")),
        ("class", Names("class", "class_provider", "ClassProvider")),
        ("Ärger", Names("Arger", "arger", "ArgerProvider")),
        ("__x__", Names("__x__", "x", "XProvider")),
    ],
)
def test_names_are_made_valid(given: str, made: Names) -> None:
    assert names(given, "provider") == made


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("json", "json of Python itself"),
        ("pytest", "there is a module pytest at"),
        ("providers", "there is a module providers at"),
        ("", "no provider's name"),
        ("___", "no provider's name"),
        ("翻译", "no provider's name"),
        ("all", "no provider's name"),
        ("x" * 101, "no provider's name"),
    ],
)
def test_a_name_that_would_be_in_the_way_is_told(given: str, why: str) -> None:
    with pytest.raises(Complaint, match=why):
        names(given, "provider")

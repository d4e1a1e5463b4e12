"""`config`: the real command line on real files, in a directory where nobody has a config of their own."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from gleitzeitctl.edge import complain
from tests.ctl.conftest import Ctl
from tests.warm import ROOT

GOOD = """\
global:
  parallel_starts: 4
  defaults:
    instances: 2
providers:
  calculator:
    class: providers.calculator_provider.CalculatorProvider
    description: Adds
    stop: {timeout: 3s}
  secretive:
    command: [sleep, "60"]
    env:
      API_KEY: hunter2
      LEVEL: ${LEVEL}
  idle:
    enabled: false
    command: sleep 60
    description: Sleeps
    env: {NOBODY: "${NOT_SET}"}
"""
BAD = """\
providers:
  p:
    class: module.Class
    instances: none
    comand: sleep
"""


@pytest.fixture
def config(tmp_path: Path) -> Ctl:
    return Ctl(str(tmp_path / "d.sock"))


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "LEVEL": "info"}


def written(directory: Path, text: str, name: str = "config/providers.yaml") -> Path:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def answer(ctl: Ctl, *line: str, env: dict[str, str]) -> Any:
    done = ctl("config", *line, "--json", env=env)
    return json.loads(done.stdout)


def sections(text: str) -> dict[str, dict[str, list[str]]]:
    """What `config show` prints: title -> key -> the rest of its line."""
    found: dict[str, dict[str, list[str]]] = {}
    for block in text.split("\n\n")[1:]:
        title, *lines = block.splitlines()
        found[title] = {words[0]: words[1:] for words in map(str.split, lines[1:])}
    return found


@pytest.mark.parametrize("line", [("--config-file", "f.yaml"), ()])
def test_what_create_writes_validates(config: Ctl, home: dict[str, str], line: tuple[str, ...]) -> None:
    path = line[1] if line else "config/providers.yaml"
    created = config.alone("config", "create", *line, env=home)
    assert (created.returncode, created.stdout, created.stderr) == (0, f"created {path}\n", "")

    checked = config.alone("config", "validate", *line, env=home)
    assert (checked.returncode, checked.stdout) == (0, f"{path}: ok, 2 providers\n")
    assert checked.stderr == ("" if line else f"the config file is {path}\n")


def test_what_create_writes_may_hold_secrets_and_names_a_schema_that_is_there(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    config("config", "create", "--config-file", "f.yaml", env=home)

    path = tmp_path / "f.yaml"
    assert stat.S_IMODE(path.stat().st_mode) & 0o137 == 0
    uri = path.read_text().partition("\n")[0].removeprefix("# yaml-language-server: $schema=")
    schema = Path(unquote(urlsplit(uri).path))
    assert json.loads(schema.read_text())["type"] == "object"
    assert os.listdir(tmp_path) == ["f.yaml"]


def test_create_replaces_a_file_only_by_force(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    path = written(tmp_path, "mine", "f.yaml")
    refused = config("config", "create", "--config-file", "f.yaml", env=home)
    assert (refused.returncode, path.read_text()) == (2, "mine")
    assert "f.yaml is there already" in refused.stderr
    assert "--force" in refused.stderr

    assert config("config", "create", "--config-file", "f.yaml", "--force", env=home).returncode == 0
    assert "calculator:" in path.read_text()
    assert os.listdir(tmp_path) == ["f.yaml"]


def test_create_by_force_leaves_the_mode_and_the_owner(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    path = written(tmp_path, "mine", "f.yaml")
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65533)
    before = path.stat()

    assert config("config", "create", "--config-file", "f.yaml", "--force", env=home).returncode == 0

    after = path.stat()
    assert "calculator:" in path.read_text()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [
        ("", 2, "--config-file needs the name of a file"),
        ("conf", 2, "conf is a directory: name a file"),
        ("new/", 2, "new/ is a directory: name a file"),
        ("fifo", 1, "fifo: cannot be changed: it is no regular file"),
        (f"{'n' * 254}", 1, f"{'n' * 254}: cannot be changed: File name too long"),
    ],
)
def test_create_refuses_what_can_be_no_file(
    config: Ctl, home: dict[str, str], tmp_path: Path, name: str, status: int, says: str
) -> None:
    (tmp_path / "conf").mkdir()
    os.mkfifo(tmp_path / "fifo")

    done = config("config", "create", "--config-file", name, "--force", env=home)

    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr == f"gleitzeitctl: {says}\n"
    assert sorted(os.listdir(tmp_path)) == ["conf", "fifo"]


@pytest.mark.parametrize("line", [("--config-file", "", "validate"), ("validate", "--config-file", "")])
def test_a_name_that_is_empty_is_not_the_one_that_is_found(
    config: Ctl, home: dict[str, str], tmp_path: Path, line: tuple[str, ...]
) -> None:
    written(tmp_path, GOOD)

    done = config("config", *line, env=home)

    assert (done.returncode, done.stderr) == (2, "gleitzeitctl: --config-file needs the name of a file\n")


def test_create_writes_through_a_link(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    path = written(tmp_path, "mine", "f.yaml")
    (tmp_path / "link.yaml").symlink_to(path)
    config("config", "create", "--config-file", "link.yaml", "--force", env=home)

    assert (tmp_path / "link.yaml").is_symlink()
    assert "calculator:" in path.read_text()


def test_create_can_print_instead(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    done = config("config", "create", "--config-file", "-", env=home)

    assert done.stdout.startswith("# yaml-language-server: ")
    assert "\nproviders:\n" in done.stdout
    assert os.listdir(tmp_path) == []


def test_the_schema_is_the_shipped_one(config: Ctl, home: dict[str, str]) -> None:
    shipped = (ROOT / "gleitzeitd/config/providers.schema.json").read_text()

    assert config("config", "schema", env=home).stdout == shipped
    assert answer(config, "schema", env=home) == json.loads(shipped)


def test_every_mistake_is_one_line(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, BAD, "f.yaml")
    done = config("config", "validate", "--config-file", "f.yaml", env=home)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        'f.yaml:4:16: providers.p.instances: must be a whole number, not "none"',
        'f.yaml:5:5: providers.p.comand: unknown key (did you mean "command"?)',
    ]


def test_every_mistake_is_taken_apart_for_programs(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, BAD, "f.yaml")
    done = config("config", "validate", "--config-file", "f.yaml", "--json", env=home)

    told = json.loads(done.stdout)
    assert (done.returncode, done.stderr, told["file"], told["ok"]) == (2, "", "f.yaml", False)
    assert told["problems"][0] == {
        "file": "f.yaml",
        "line": 4,
        "column": 16,
        "path": "providers.p.instances",
        "message": 'must be a whole number, not "none"',
    }
    assert told["problems"][1]["path"] == "providers.p.comand"


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("a: [", "", "this is not valid YAML"),
        ("globl: {}\n", "globl", "unknown key"),
        ("a: 1\na: 2\n", "", '"a" is defined twice'),
    ],
)
def test_a_mistake_of_any_form_is_taken_apart(
    config: Ctl, home: dict[str, str], tmp_path: Path, text: str, path: str, message: str
) -> None:
    written(tmp_path, text, "f.yaml")
    (problem, *_) = answer(config, "validate", "--config-file", "f.yaml", env=home)["problems"]

    assert problem["path"] == path
    assert problem["message"].startswith(message)
    assert problem["line"] >= 1


def test_a_file_that_is_not_there_is_unusable(config: Ctl, home: dict[str, str]) -> None:
    for command in ("show", "validate", "providers"):
        done = config("config", command, "--config-file", "f.yaml", env=home)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == "f.yaml: there is no such file, which --config-file names\n"
    (problem,) = answer(config, "validate", "--config-file", "f.yaml", env=home)["problems"]
    assert problem == {
        "file": "f.yaml",
        "line": None,
        "column": None,
        "path": "",
        "message": "there is no such file, which --config-file names",
    }


def test_a_file_that_is_not_there_is_told_with_what_names_it(config: Ctl, home: dict[str, str]) -> None:
    env = home | {"GLEITZEIT_CONFIG": "/nope"}
    done = config("config", "show", env=env)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "/nope: there is no such file, which $GLEITZEIT_CONFIG names\n"
    assert answer(config, "validate", env=env)["problems"][0]["file"] == "/nope"


@pytest.mark.parametrize("line", [("schema",), ("create", "--config-file", "-")])
def test_a_full_disk_that_takes_no_answer_is_told_as_that(
    config: Ctl, home: dict[str, str], line: tuple[str, ...]
) -> None:
    with (
        open("/dev/full", "w") as full,
        config.started("config", *line, env=home, stdout=full.fileno()) as process,
    ):
        _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert err == "gleitzeitctl: cannot write the answer: No space left on device\n"


def test_what_fails_elsewhere_is_not_told_as_the_answers_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("gleitzeit", OSError(24, "Too many open files"), in_json=False) == 1
    assert capsys.readouterr().err == "gleitzeit: Too many open files\n"


@pytest.mark.parametrize("command", ["show", "validate", "providers"])
def test_json_is_all_that_is_said(config: Ctl, home: dict[str, str], tmp_path: Path, command: str) -> None:
    written(tmp_path, GOOD)
    # LEVEL is not set: that is a mistake of one provider
    done = config("config", command, "--json", env={"HOME": home["HOME"]})

    assert done.stderr == ""
    assert json.loads(done.stdout)["file"] == "config/providers.yaml"


def test_what_is_well_is_counted(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    done = config("config", "validate", env=home)

    assert (done.returncode, done.stdout) == (0, "config/providers.yaml: ok, 3 providers (1 disabled)\n")
    assert answer(config, "validate", env=home) == {
        "file": "config/providers.yaml",
        "ok": True,
        "problems": [],
    }


def test_a_mistake_of_one_provider_is_a_mistake(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    done = config("config", "validate", "--config-file", "config/providers.yaml", env={"HOME": home["HOME"]})

    assert done.returncode == 2
    (told,) = done.stderr.splitlines()
    assert told.startswith("config/providers.yaml:14:")
    assert "LEVEL" in told


def test_a_class_that_cannot_be_imported_is_told_where_it_is_named(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    written(tmp_path, "import nowhere_to_be_found\nprint('not shown')\n", "mine.py")
    written(tmp_path, "print('not shown')\nimport nowhere_to_be_found\n", "config/beside.py")
    written(
        tmp_path,
        "providers:\n"
        "  a: {class: mine.P}\n"
        "  b:\n    class: beside.P\n"
        "  c: {class: providers.echo_provider.EchoProvider}\n"
        "  d: {class: mine.P, enabled: false}\n",
    )
    assert config("config", "validate", env=home).returncode == 0
    done = config("config", "validate", "--imports", env=home)

    package = (
        "ModuleNotFoundError: No module named 'nowhere_to_be_found': pip install nowhere_to_be_found, or"
    )
    first, second = done.stderr.splitlines()[1:]
    assert (done.returncode, done.stdout) == (2, "")
    assert first.startswith(
        f"config/providers.yaml:2:14: providers.a.class: cannot import mine: mine.py:1: {package}"
    )
    assert second.startswith(
        f"config/providers.yaml:4:12: providers.b.class: cannot import beside: beside.py:2: {package}"
    )


def test_classes_are_imported_with_what_the_provider_would_have(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    written(
        tmp_path,
        "import os\nassert os.environ['MINE'] == 'yes'\nassert 'SECRET' not in os.environ\n"
        "from providers.echo_provider import EchoProvider as P\n",
        "lib/mine.py",
    )
    written(
        tmp_path,
        "providers:\n  p:\n    class: mine.P\n    python_path: [lib]\n    env: {MINE: 'yes'}\n",
        "f.yaml",
    )
    done = config("config", "validate", "--config-file", "f.yaml", "--imports", env=home | {"SECRET": "x"})

    assert (done.returncode, done.stdout, done.stderr) == (0, "f.yaml: ok, 1 provider\n", "")


def test_a_directory_that_was_looked_into_is_told_once(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    written(tmp_path, "providers: {a: {class: mine.P}}\n", "providers.yaml")

    done = config("config", "validate", "--imports", env=home)

    assert "there is no module mine" in done.stderr
    assert done.stderr.count(str(tmp_path)) == 1


def test_show_tells_what_is_no_default_and_where_it_comes_from(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    written(tmp_path, GOOD)
    done = config("config", "show", env=home)

    assert (done.returncode, done.stderr) == (0, "the config file is config/providers.yaml\n")
    assert done.stdout.splitlines()[0] == "config/providers.yaml"
    told = sections(done.stdout)
    assert list(told) == ["global", "calculator", "secretive", "idle (disabled)"]
    assert told["global"]["parallel_starts"] == ["4", "config/providers.yaml:2:20"]
    assert told["calculator"]["stop.timeout"][-1] == "config/providers.yaml:9:21"
    assert told["calculator"]["instances"][:2] == ["2", "global.defaults,"]
    assert told["calculator"]["stop.timeout"][0] == "3s"
    assert "stop.signal" not in told["calculator"]
    assert told["idle (disabled)"]["env.NOBODY"][0] == "${NOT_SET}"


def test_show_all_tells_the_defaults_too(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    told = sections(config("config", "show", "--all", env=home).stdout)

    assert told["calculator"]["stop.signal"] == ["SIGTERM", "default"]
    assert told["global"]["auto_start"] == ["true", "default"]


def test_show_never_tells_a_secret(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    in_words, in_json = (
        config("config", "show", "--all", env=home),
        config("config", "show", "--json", env=home),
    )

    assert "hunter2" not in in_words.stdout + in_words.stderr + in_json.stdout + in_json.stderr
    assert sections(in_words.stdout)["secretive"]["env.API_KEY"][0] == "********"
    settings = json.loads(in_json.stdout)["providers"]["secretive"]["settings"]
    assert settings["env.API_KEY"]["value"] == "********"
    assert settings["env.LEVEL"] == {
        "value": "info",
        "from": "environment",
        "where": "config/providers.yaml:14:14",
    }


def test_show_tells_mistakes_after_all_else(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    done = config("config", "show", env={"HOME": home["HOME"]})

    assert done.returncode == 0
    assert "calculator" in sections(done.stdout)
    assert "LEVEL" in done.stderr.splitlines()[-1]


def test_show_has_the_words_of_the_contract_in_json(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    written(tmp_path, GOOD)
    told = answer(config, "show", env=home)

    assert set(told) == {"file", "files", "global", "providers", "mistakes"}
    assert told["files"] == ["config/providers.yaml"]
    assert told["providers"]["idle"]["enabled"] is False
    assert told["providers"]["calculator"]["settings"]["stop.signal"]["value"] == "SIGTERM"


def test_providers_are_listed_with_what_they_run(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    done = config("config", "providers", "--config-file", "config/providers.yaml", env=home)

    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["NAME", "ENABLED", "TYPE", "RUNS", "DESCRIPTION"],
        ["calculator", "yes", "tool", "providers.calculator_provider.CalculatorProvider", "Adds"],
        ["secretive", "yes", "tool", "sleep", "60"],
        ["idle", "no", "tool", "sleep", "60", "Sleeps"],
    ]
    assert [one["name"] for one in answer(config, "providers", env=home)["providers"]] == [
        "calculator",
        "secretive",
        "idle",
    ]


def test_a_file_that_holds_no_provider_says_so(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, "providers: {}\n", "f.yaml")
    done = config("config", "providers", "--config-file", "f.yaml", env=home)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "there is no provider yet\n")


def test_the_file_of_the_environment_is_told(config: Ctl, home: dict[str, str], tmp_path: Path) -> None:
    written(tmp_path, GOOD, "f.yaml")
    done = config("config", "validate", env=home | {"GLEITZEIT_CONFIG": "f.yaml"})

    assert done.stdout == "f.yaml: ok, 3 providers (1 disabled)\n"
    assert done.stderr == "the config file is f.yaml\n"


def test_what_stands_in_another_file_is_told_with_its_place(
    config: Ctl, home: dict[str, str], tmp_path: Path
) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, "providers:\n  more:\n    class: nowhere.P\n", "config/providers.d/more.yaml")

    told = answer(config, "show", env=home)
    assert told["files"] == ["config/providers.yaml", "config/providers.d/more.yaml"]
    assert told["providers"]["more"]["settings"]["class"]["where"] == "config/providers.d/more.yaml:3:12"

    (problem,) = answer(config, "validate", "--imports", env=home)["problems"]
    assert (problem["file"], problem["line"]) == ("config/providers.d/more.yaml", 3)
    assert problem["message"].startswith("there is no module nowhere")


@pytest.mark.parametrize(
    "line",
    [
        ("config", "--config-file", "f.yaml", "validate"),
        ("config", "validate", "--config-file", "f.yaml"),
        ("config", "--config-file", "g.yaml", "validate", "--config-file", "f.yaml"),
    ],
)
def test_the_file_may_be_named_before_and_behind_the_command(
    config: Ctl, home: dict[str, str], tmp_path: Path, line: tuple[str, ...]
) -> None:
    written(tmp_path, GOOD, "f.yaml")
    done = config(*line, env=home)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "f.yaml: ok, 3 providers (1 disabled)\n"

"""`config set`, `enable` and `disable` as processes: what the files hold afterwards, and what is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.ctl.conftest import Ctl

MAIN = """\
# mine
global:
  parallel_starts: 4   # enough
providers:
  calculator:   # sums
    class: some.Calculator
    config: {api_key: sk-1, list: [1, 2]}
  my.other:
    command: sleep 60
    enabled: no   # not now

# the end
"""
MORE = "providers:\n  my:\n    command: sleep 61\n"
FOUND = "the config file is config/providers.yaml\n"
RELOADS = "a daemon that runs on it reloads it by itself\n"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    main = tmp_path / "config/providers.yaml"
    main.write_text(MAIN)
    return main


@pytest.fixture
def more(main: Path) -> Path:
    (main.parent / "providers.d").mkdir()
    more = main.parent / "providers.d/more.yaml"
    more.write_text(MORE)
    return more


def test_one_setting_is_changed_and_nothing_else_in_the_file(ctl: Ctl, main: Path) -> None:
    done = ctl("config", "set", "global.parallel_starts", "2")

    assert (done.returncode, done.stderr) == (0, FOUND + RELOADS)
    assert done.stdout == "global.parallel_starts is 2 in config/providers.yaml:3, was 4\n"
    assert main.read_text() == MAIN.replace("4   # enough", "2   # enough")


def test_a_file_may_be_named_and_a_setting_be_new(ctl: Ctl, main: Path) -> None:
    key = "providers.calculator.health.interval"

    done = ctl("config", "set", key, "10s", "--config-file", str(main))

    assert (done.returncode, done.stderr) == (0, RELOADS)
    assert done.stdout == f"{key} is 10s in {main}:9\n"
    after = "list: [1, 2]}\n"
    assert main.read_text() == MAIN.replace(after, f"{after}    health:\n      interval: 10s\n")


def test_a_name_with_dots_is_the_longest_that_there_is(ctl: Ctl, main: Path, more: Path) -> None:
    assert ctl("config", "set", "providers.my.other.command", "[sleep, '62']").returncode == 0
    assert ctl("config", "set", "providers.my.command", "sleep 63").returncode == 0

    assert main.read_text() == MAIN.replace("sleep 60", '[sleep, "62"]')
    assert more.read_text() == MORE.replace("sleep 61", "sleep 63")


def test_an_item_of_a_list_has_its_number(ctl: Ctl, main: Path) -> None:
    assert ctl("config", "set", "providers.calculator.config.list.1", "two").returncode == 0

    assert main.read_text() == MAIN.replace("[1, 2]", "[1, two]")


def test_a_value_may_begin_with_a_dash(ctl: Ctl, main: Path) -> None:
    assert ctl("config", "set", "providers.calculator.config.low", "--", "-5").returncode == 0

    assert main.read_text() == MAIN.replace("[1, 2]", "[1, 2], low: -5")


def test_what_is_so_already_is_said_and_nothing_is_written(ctl: Ctl, main: Path) -> None:
    before = main.stat().st_ino

    done = ctl("config", "set", "global.parallel_starts", "4")

    assert (done.returncode, done.stderr) == (0, FOUND)
    assert done.stdout == "global.parallel_starts is 4 already in config/providers.yaml:3\n"
    assert main.stat().st_ino == before


def test_what_the_daemon_would_refuse_is_not_kept(ctl: Ctl, main: Path, more: Path) -> None:
    more.write_text(MORE + "    instances: many\n")

    done = ctl("config", "set", "global.parallel_starts", "0")

    assert (done.returncode, done.stdout) == (2, "")
    # what was to be set has no place in the file; what is wrong beside it has
    assert done.stderr.splitlines() == [
        "the config file is config/providers.yaml",
        "global.parallel_starts: must be at least 1, not 0",
        'config/providers.d/more.yaml:4:16: providers.my.instances: must be a whole number, not "many"',
        "nothing was changed",
    ]
    assert main.read_text() == MAIN
    assert sorted(os.listdir(main.parent)) == ["providers.d", "providers.yaml"]


EXTENSION = """\
from gleitzeit_extensions.decorators import config_field, extension

@extension(name="library")
@config_field("days", field_type="integer")
@config_field("shelf", required=True)
class Library:
    pass
"""


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("config.days", "soon", 'config.days: has to be an integer, not "soon"'),
        ("config", "{shelf: 3}", "config.shelf: has to be a string, not 3"),
        ("extension", "libary", 'extension: there is no extension "libary" (did you mean "library"?)'),
    ],
)
def test_what_an_extension_would_refuse_is_not_kept_either(
    ctl: Ctl, main: Path, key: str, value: str, says: str
) -> None:
    (main.parent / "extensions").mkdir()
    (main.parent / "extensions/library.py").write_text(EXTENSION)
    main.write_text("providers:\n  mine:\n    extension: library\n    config: {days: 3}\n")

    # what is wrong beside it is no reason
    assert ctl("config", "set", "providers.mine.config.days", "4").returncode == 0
    text = main.read_text()
    done = ctl("config", "set", f"providers.mine.{key}", value)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[1].startswith(f"providers.mine.{says}")
    assert main.read_text() == text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("set", "providers.calculater.type", "llm"), '"calculater" (did you mean "calculator"?)'),
        (("set", "global", "{}"), '"global" is no key: it begins with "global." or'),
        (("set", "calculator.type", "llm"), '"calculator.type" is no key'),
        (("set", "global.parallel_starts", "* *"), "the value is not YAML: "),
        (("set", "providers.calculator.class.x", "1"), 'yaml:6: providers.calculator.class has no key "x"'),
        (("set", "providers.calculator.helth", "1"), 'unknown key (did you mean "health"?)'),
        (("enable", "my.other", "calculater"), 'no provider "calculater" (did you mean "calculator"?)'),
        (("disable", "xyz"), '"xyz" (there are calculator, my.other)'),
        (("disable", "calculator", "--config-file", "nowhere.yaml"), "nowhere.yaml: there is no such file"),
    ],
)
def test_a_mistake_ends_with_2_and_a_sentence(
    ctl: Ctl, main: Path, words: tuple[str, ...], says: str
) -> None:
    done = ctl("config", *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert main.read_text() == MAIN


@pytest.mark.parametrize(
    "text", ["providers: [\n", "a: 1\na: 2\n", "- 1\n", "", "providers:\n", "providers: 7\n", "\udcff\n"]
)
def test_a_file_that_is_no_config_is_left_alone(ctl: Ctl, main: Path, text: str) -> None:
    raw = text.encode(errors="surrogateescape")
    main.write_bytes(raw)

    for words in (("set", "global.parallel_starts", "0"), ("disable", "calculator")):
        done = ctl("config", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "mistake in gleitzeitctl" not in done.stderr
    assert main.read_bytes() == raw


def test_the_address_of_the_daemon_waits_for_its_next_start(ctl: Ctl, main: Path) -> None:
    done = ctl("config", "set", "global.default_server_url", "http://localhost:8001")

    assert done.stderr == f"{FOUND}it applies when the daemon is started anew\n"


def test_a_refusal_in_json_is_json_alone(ctl: Ctl, main: Path) -> None:
    done = ctl("config", "set", "global.parallel_starts", "0", "--json")

    assert (done.returncode, done.stdout) == (2, "")
    message = "global.parallel_starts: must be at least 1, not 0"
    assert json.loads(done.stderr)["error"]["message"] == message


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("", '""'), ("one\n\n two", r'"one\n\n two"'), ('"p4ss #word"', '"p4ss #word"'), ("a#b", '"a#b"')],
)
def test_text_is_kept_as_it_was_typed(ctl: Ctl, main: Path, typed: str, kept: str) -> None:
    assert ctl("config", "set", "providers.calculator.config.list", typed).returncode == 0

    assert main.read_text() == MAIN.replace("[1, 2]", kept)


def test_a_comment_in_a_value_is_not_lost_in_silence(ctl: Ctl, main: Path) -> None:
    done = ctl("config", "set", "providers.calculator.config.api_key", "p4ss #word")

    assert (done.returncode, done.stdout) == (2, "")
    assert "the value has a comment, which begins at character 6: put text in double quotes" in done.stderr
    assert main.read_text() == MAIN


def test_disable_and_enable_say_where(ctl: Ctl, main: Path, more: Path) -> None:
    done = ctl("config", "disable", "calculator", "my.other", "my", "my")

    assert (done.returncode, done.stderr) == (0, FOUND + RELOADS)
    assert done.stdout.splitlines() == [
        "calculator is disabled in config/providers.yaml:8",
        "my.other is already disabled in config/providers.yaml:11",
        "my is disabled in config/providers.d/more.yaml:4",
    ]
    after = "list: [1, 2]}\n"
    assert main.read_text() == MAIN.replace(after, f"{after}    enabled: false\n")
    assert more.read_text() == f"{MORE}    enabled: false\n"


def test_what_is_enabled_already_stays_as_it_is_written(ctl: Ctl, main: Path) -> None:
    done = ctl("config", "enable", "calculator", "--json")

    assert done.returncode == 0
    result = {"file": "config/providers.yaml", "line": 6, "key": "providers.calculator.enabled"}
    told = result | {"before": None, "after": None, "changed": False}
    assert json.loads(done.stdout) == {"results": [told]}
    assert main.read_text() == MAIN


def test_all_are_changed_or_none(ctl: Ctl, main: Path, more: Path) -> None:
    main.write_text(MAIN + "  needs:\n    command: x\n    depends_on: my\n")
    before = main.read_text()

    done = ctl("config", "disable", "calculator", "my")

    assert done.returncode == 2
    assert "providers.needs.depends_on" in done.stderr
    assert (main.read_text(), more.read_text()) == (before, MORE)


def test_a_file_that_cannot_be_replaced_keeps_the_others_as_they_were(
    ctl: Ctl, main: Path, more: Path
) -> None:
    # a name that is too long for the new file beside it
    long = more.rename(more.with_name(f"{'p' * 245}.yaml"))

    done = ctl("config", "disable", "calculator", "my")

    assert (done.returncode, done.stdout) == (1, "")
    assert f"{long.name}: cannot be changed: File name too long\n" in done.stderr
    assert (main.read_text(), long.read_text()) == (MAIN, MORE)


def test_json_tells_what_was_and_what_is(ctl: Ctl, main: Path) -> None:
    done = ctl("config", "set", "providers.my.other.enabled", "yes", "--json")

    assert json.loads(done.stdout) == {
        "file": "config/providers.yaml",
        "line": 10,
        "key": "providers.my.other.enabled",
        "before": "no",
        "after": "yes",
        "changed": True,
    }
    assert done.stderr == ""


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("providers.calculator.config.api_key", "sk-2"),
        ("providers.calculator.config", "{api_key: sk-2}"),
        ("providers.calculator.env", "{A_TOKEN: sk-2}"),
        ("providers.calculator.env.A_PASSWORD", "[sk-2"),
        ("providers.calculator.config.api_key.x", "sk-2"),
    ],
)
def test_a_secret_is_set_but_never_shown(
    ctl: Ctl, main: Path, key: str, value: str, form: tuple[str, ...]
) -> None:
    done = ctl("config", "set", key, value, *form)

    assert done.returncode in (0, 2)
    assert "sk-" not in done.stdout + done.stderr
    assert ("sk-2" in main.read_text()) == (done.returncode == 0)


def test_what_an_extension_declares_to_be_secret_is_never_shown_whatever_its_name(
    ctl: Ctl, main: Path
) -> None:
    (main.parent / "extensions").mkdir()
    secret = EXTENSION.replace('"shelf", required=True', '"pin", field_type="secret"')
    (main.parent / "extensions/library.py").write_text(secret)
    main.write_text("providers:\n  mine:\n    extension: library\n    config: {pin: hunter22}\n")

    told = ctl("config", "set", "providers.mine.config.pin", "swordfish")
    whole = ctl("config", "set", "providers.mine.config", "{pin: anchovies, days: 2}", "--json")

    assert (told.returncode, whole.returncode) == (0, 0)
    assert "config.pin is ******** in" in told.stdout
    assert json.loads(whole.stdout)["after"] == {"pin": "********", "days": 2}
    shown = told.stdout + told.stderr + whole.stdout + whole.stderr
    assert not any(secret in shown for secret in ("hunter22", "swordfish", "anchovies"))

"""`global.defaults`: what lies under every block, and who is told of its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gleitzeitd.config import schema
from gleitzeitd.config.load import load
from gleitzeitd.core.spec import Check, CheckKind, House
from tests.config.mistaken import mistakes

PROVIDERS = "providers:\n  one: {command: x}\n  two: {class: module.Class}\n"


def house(directory: Path, text: str) -> House:
    (directory / "p.yaml").write_text(text)
    return load(str(directory / "p.yaml"))


def test_a_block_has_them_where_it_says_nothing_itself(tmp_path: Path) -> None:
    text = """
global:
  defaults:
    type: llm
    nice: 3
    description: common
    stop: {timeout: 1, drain_timeout: 2}
    env: {A: common, B: common}
    config: {deep: {a: 1, list: [1, 2]}}
    health: {kind: tcp, port: 80, interval: 9}
    depends_on: [other]
providers:
  other: {class: module.Class, depends_on: []}
  own:
    class: module.Class
    nice: 4
    stop: {timeout: 5}
    env: {A: own}
    config: {deep: {b: 2, list: [3]}}
    health: {interval: 1}
"""
    other, own = house(tmp_path, text).specs

    assert (own.type, own.identity.nice, own.description) == ("llm", 4, "common")
    assert (own.rules.stop_timeout, own.rules.drain_timeout) == (5.0, 2.0)
    assert own.env == {"A": "own", "B": "common"}
    assert own.config == {"deep": {"a": 1, "b": 2, "list": [3]}}
    assert own.health == Check(CheckKind.TCP, 1.0, port=80)
    assert (own.depends_on, other.depends_on) == (("other",), ())


def test_an_empty_value_of_the_block_is_its_own(tmp_path: Path) -> None:
    text = "global: {defaults: {nice: 3}}\nproviders: {p: {command: x, nice: }}\n"

    assert house(tmp_path, text).specs[0].identity.nice is None


def test_they_win_over_the_same_key_of_global(tmp_path: Path) -> None:
    text = "global: {connection_timeout: 1, defaults: {connection_timeout: 2}}\n" + PROVIDERS

    assert [spec.rules.connection_timeout for spec in house(tmp_path, text).specs] == [2.0, 2.0]


def test_they_have_every_key_but_what_runs() -> None:
    keys = set(schema.Provider.model_fields) - set(schema.Defaults.model_fields)

    assert keys == {"enabled", "class_", "extension", "command"}


@pytest.mark.parametrize("key", ["enabled: false", "class: module.Class", "command: x"])
def test_what_runs_is_the_blocks_own_word(tmp_path: Path, key: str) -> None:
    (sentence,) = mistakes(tmp_path, f"global:\n  defaults: {{{key}}}\n{PROVIDERS}")

    assert sentence.startswith(f"2:14: global.defaults.{key.split(':')[0]}: unknown key (known are ")


@pytest.mark.parametrize(
    ("text", "key", "sentence"),
    [
        ("nice: 99", "nice", "must be at most 19, not 99"),
        ("cwd: nowhere", "cwd", 'there is no directory "nowhere"'),
        ("user: nobody-here", "user", 'there is no user "nobody-here"'),
        ("restart: {initial: 1h}", "restart", "initial (3600 s) is above max_delay (30 s)"),
        ("health: {kind: tcp}", "health", "a check of kind tcp needs `port`"),
        ("depends_on: gone", "depends_on", 'there is no provider "gone"'),
        ("env: {'A=': b}", "env.A=", "no variable can have this name"),
        ("config: {name: x}", "config.name", 'is "x", but the block is called'),
    ],
)
def test_a_mistake_in_them_is_told_at_its_own_place(
    tmp_path: Path, text: str, key: str, sentence: str
) -> None:
    told = mistakes(tmp_path, f"global:\n  defaults:\n    {text}\n{PROVIDERS}")

    assert len({*told}) == len(told) == 1
    assert all(f"global.defaults.{key}: {sentence}" in one for one in told)
    assert all(one.startswith("3:") for one in told)


def test_a_mistake_in_a_block_keeps_its_place(tmp_path: Path) -> None:
    text = "global:\n  defaults: {stop: {timeout: 1}}\nproviders:\n  p: {command: x, stop: {timeout: -1}}\n"

    assert mistakes(tmp_path, text) == ["4:35: providers.p.stop.timeout: must be at least 0, not -1"]


def test_an_interpreter_for_all_is_nothing_to_a_command(tmp_path: Path) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").touch(0o755)
    text = f"global:\n  defaults: {{python: venv}}\n{PROVIDERS}"
    one, two = house(tmp_path, text).specs

    assert (one.python, two.python) == (None, str(tmp_path / "venv/bin/python"))


def test_what_is_for_a_class_is_nothing_to_a_command(tmp_path: Path) -> None:
    of_a_class = "python_path: [x], auto_discover_models: true, config: {a: 1}, python: /bin/sh"
    plain, _ = house(tmp_path, PROVIDERS).specs
    command, other = house(tmp_path, f"global: {{defaults: {{{of_a_class}}}}}\n{PROVIDERS}").specs

    assert command.settings == plain.settings
    assert (other.config, other.auto_discover_models) == ({"a": 1}, True)


@pytest.mark.parametrize("key", ["python_path: [x]", "auto_discover_models: true"])
def test_what_is_for_a_class_is_a_mistake_of_a_commands_own(tmp_path: Path, key: str) -> None:
    (sentence,) = mistakes(tmp_path, f"providers:\n  p: {{command: x, {key}}}\n")

    assert sentence.startswith(f"2:19: providers.p.{key.split(':')[0]}: is for a class: ")


def test_a_mistake_elsewhere_in_global_leaves_them_in_force(tmp_path: Path) -> None:
    text = """\
global: {conection_timeout: 5, defaults: {health: {kind: http, url: "http://a"}}}
providers:
  p: {command: x, health: {interval: 3}}
"""
    assert mistakes(tmp_path, text) == [
        '1:10: global.conection_timeout: unknown key (did you mean "connection_timeout"?)'
    ]


def test_an_interpreter_of_a_commands_own_is_a_mistake(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "providers:\n  p: {command: x, python: /bin/sh}\n") == [
        "2:19: providers.p.python: is for a class: a command names its own interpreter"
    ]


def test_an_interpreter_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "venv").mkdir()
    sentence = '"venv" is neither an interpreter nor the directory of a virtual environment'

    assert mistakes(tmp_path, "providers:\n  p: {class: module.Class, python: venv}\n") == [
        f"2:36: providers.p.python: {sentence}"
    ]

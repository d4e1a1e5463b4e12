"""Any bytes at all in the file's place: they load, or they are refused in sentences. Nothing else happens."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleitzeitd.config.load import load
from gleitzeitd.core.errors import ConfigError
from gleitzeitd.core.spec import ClassTarget, CommandTarget, ExtensionTarget, House

VALID = """\
# Everything that a file may have.
%YAML 1.2
---
global:
  auto_start: yes
  health_check_interval: 5m
  default_server_url: http://localhost:8000
  logs: {size: 20MiB, files: 5}
  defaults: {nice: "${NICE:-3}", stop: {timeout: 1}}

providers:
  first: &first
    type: llm
    class: module.Class
    config: {name: first, list: [1, 2.5, null], when: 2020-01-31}
    restart: {policy: on-failure, initial: 0.5}
    stop:
      signal: SIGINT
      timeout: "10s"
    env: {A: text, B: 3}
    inherit_env: [AWS_REGION]
    restart_schedule: 0 4 * * mon#1
    user: {me}
    umask: 0o27
    python_path: [lib]
    limits: {cpu: 0.5, memory: 2GB}

  second:
    <<: *first
    config: {}
    description: |
      Several $${lines}
      of ${NONE-text}.

  third:
    enabled: on
    command: sleep "${TIME:-60}" ${file:seconds}
    depends_on: first
    ready:
      kind: http
      url: http://localhost:80/health
    health: {kind: exec, command: a b}
""".replace("{me}", str(os.geteuid()))
LINES = VALID.splitlines(keepends=True)
ODD = [
    "${HOME}",
    "${NONE}",
    "${NONE:-x}",
    "$${",
    "${",
    "${file:x}",
    "${cred:x}",
    "!!set {a}",
    "!!omap [a: 1]",
    "!!binary aGVsbG8=",
    "!!int x",
    "!unknown",
    "*first",
    "&again",
    "<<: *first",
    "? ",
    "{",
    "]",
    "- ",
    ": ",
    "'",
    '"\\ud800"',
    '"\\0"',
    '"\\n"',
    "|",
    "---",
    "%TAG",
    "2020-13-41",
    "0o9",
    "9" * 400,
    ".nan",
    "-.inf",
    "~",
    "\t",
    "\x85",
    "é",
    "\N{PILE OF POO}",
]
PLACES = st.integers(0, len(VALID))
CHARACTERS = st.text(max_size=5) | st.sampled_from(ODD)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """The valid file after a few slips: lines lost or doubled, characters lost or in the wrong place."""
    lines = list(LINES)
    for at in draw(st.lists(st.integers(0, len(LINES) - 1), max_size=2)):
        lines[at] = draw(st.sampled_from(["", lines[at] * 2, lines[at].lstrip(), f"  {lines[at]}"]))
    text = "".join(lines)
    for start in draw(st.lists(PLACES, max_size=3)):
        text = text[:start] + draw(CHARACTERS) + text[start + draw(st.integers(0, 8)) :]
    return text


@st.composite
def revalued(draw: st.DrawFn) -> str:
    """The valid file with something odd in the place of one value."""
    at = draw(st.sampled_from([at for at, line in enumerate(LINES) if ": " in line]))
    key, _, _ = LINES[at].partition(": ")
    return "".join([*LINES[:at], f"{key}: {draw(CHARACTERS)}\n", *LINES[at + 1 :]])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "p.yaml"


def load_or_refuse(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        can_be_spawned(load(str(path)))
    except ConfigError as exc:
        problems = exc.problems
    else:
        return
    assert problems
    for problem in problems:
        assert problem.startswith(f"{path}:")
        assert problem.isprintable(), "a sentence is one line, and moves no cursor"


def can_be_spawned(house: House) -> None:
    """What the kernel refuses is refused before: a spawn may fail only for the state of the world."""
    for spec in house.specs:
        if spec.mistakes:
            assert all(mistake.startswith(f"{house.path}:") for mistake in spec.mistakes)
            assert all(mistake.isprintable() for mistake in spec.mistakes)
            continue
        match spec.target:
            case CommandTarget(argv=words):
                assert words
            case ClassTarget(path=word) | ExtensionTarget(name=word):
                words = (word,)
        assert words[0]
        checks = [*spec.ready.argv] if spec.ready else []
        for word in (*words, *checks, *spec.env, *spec.env.values(), *spec.python_path):
            assert b"\0" not in os.fsencode(word)
        assert not any("=" in name for name in spec.env)


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=200))
def test_any_bytes(path: Path, content: bytes) -> None:
    load_or_refuse(path, content)


@settings(deadline=None, max_examples=60)
@given(text=st.text("ab1 \n\t:-?,[]{}#&*!|>'\"%@`~<=.\\0\ufeff\x85", max_size=60))
def test_any_text_of_the_characters_that_mean_something_in_yaml(path: Path, text: str) -> None:
    load_or_refuse(path, text.encode())


@settings(deadline=None, max_examples=60)
@given(text=damaged())
def test_any_slip_in_a_valid_file(path: Path, text: str) -> None:
    load_or_refuse(path, text.encode("utf-8", "surrogatepass"))


@settings(deadline=None, max_examples=60)
@given(text=revalued())
def test_any_value_in_the_place_of_another(path: Path, text: str) -> None:
    load_or_refuse(path, text.encode("utf-8", "surrogatepass"))


def test_the_file_that_is_damaged_here_is_valid(path: Path) -> None:
    path.write_text(VALID)

    assert [spec.name for spec in load(str(path)).specs] == ["first", "second", "third"]

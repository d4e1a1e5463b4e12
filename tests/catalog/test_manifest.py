"""An extension.yaml: what it declares, every mistake with its place, and that none of its bytes hurts."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gleitzeit_extensions.catalog import manifest_keys
from gleitzeit_extensions.catalog.document import LARGEST, ManifestError
from gleitzeit_extensions.catalog.manifest import read
from gleitzeit_extensions.catalog.meta import ConfigField, ExtensionMeta, FieldType, Model, Style
from tests.catalog.writing import HEAD, mistakes
from tests.config.json_checker import Checker

WHOLE = """\
name: weather
description: Tells the weather
version: 2.1.0
author: Ada
models:
  - weather-1
  - name: weather-2
    capabilities: [text]
    max_tokens: 4096
    cost_per_token: 0.00001
    family: clouds
capabilities: [streaming]
dependencies:
  packages:
    - requests>=2.0
config:
  api_key: {type: secret, required: true, env_var: WEATHER_KEY, description: Mine}
  days: {type: integer, default: 3, min: 1, max: 14}
  unit: {default: C, choices: [C, F]}
  anything:
service:
  class_path: service.Weather
"""


def test_a_whole_manifest(tmp_path: Path) -> None:
    path = tmp_path / "extension.yaml"
    path.write_text(WHOLE)
    found = read(path)

    assert (found.style, found.path, found.line, found.home) == (Style.CONFIG, path, 1, tmp_path)
    assert found.target == "service.Weather"
    assert found.meta == ExtensionMeta(
        "weather",
        "Tells the weather",
        "2.1.0",
        "Ada",
        (Model("weather-1", metadata={}), Model("weather-2", ("text",), 4096, 0.00001, {"family": "clouds"})),
        ("streaming",),
        ("requests>=2.0",),
        {
            "api_key": ConfigField("api_key", FieldType.SECRET, True, None, "WEATHER_KEY", "Mine"),
            "days": ConfigField("days", FieldType.INTEGER, default=3, min=1, max=14),
            "unit": ConfigField("unit", default="C", choices=("C", "F")),
            "anything": ConfigField("anything"),
        },
    )


# What stands below the head, and all that is said of it.
WRONG: list[tuple[str, list[str]]] = [
    ("models: [null]", ["4:10: models: has to be a name, or a mapping with one"]),
    ("dependencies: [aiohttp=>3]", ["4:16: dependencies: 'aiohttp=>3' is no requirement: "]),
    (
        "config: {a: {env_var: A B}}",
        ["4:23: config.a.env_var: has to be the name of "],
    ),
    ("modls: []", ["4:1: there is no key modls (did you mean models?)"]),
    ("version: 1.0", ['4:10: version: has to be a string: write "1.0"']),
    ("author: 'a'\nauthor: 'b'", ["5:1: author stands here twice"]),
    ("models: gpt-4", ["4:9: models: has to be a list"]),
    ("models: [5]", ["4:10: models: has to be a mapping, such as `name: value`"]),
    ("models: [{nam: x}]", ["4:10: models: name is missing"]),
    ("models: [a, {name: a}]", ['4:13: models: there are two of "a"']),
    ("models: [{name: a, max_tokens: -1}]", ["4:10: models: max_tokens is a whole number above 0, not -1"]),
    ("models: [{name: a, max_tokens: many}]", ["4:32: models.max_tokens: has to be a whole number"]),
    ("models: [{name: ' '}]", ["4:17: models.name: has to be a string"]),
    ("capabilities: text", ["4:15: capabilities: has to be a list of strings"]),
    ("capabilities: [text, 3]", ["4:15: capabilities: has to be a list of strings"]),
    ("dependencies: requests", ["4:15: dependencies: has to be a list of strings"]),
    (
        "dependencies: {package: [a]}",
        ["4:16: dependencies: there is no key package (did you mean packages?)"],
    ),
    ("dependencies: {packages: a}", ["4:26: dependencies.packages: has to be a list of strings"]),
    ("config: [a]", ["4:9: config: has to be a mapping"]),
    ("config: {a: 3}", ["4:13: config.a: has to be a mapping, such as `name: value`"]),
    ("config: {a: {typ: string}}", ["4:14: config.a: there is no key typ (did you mean type?)"]),
    (
        "config: {a-b: {}}",
        ["4:15: config.a-b: 'a-b' cannot be the name of a field: it is handed over as a keyword"],
    ),
    ("config: {a: {required: 'yes'}}", ["4:24: config.a.required: has to be true or false"]),
    ("config: {a: {min: 3, max: 1}}", ["4:19: config.a.min: 3 is more than max, 1"]),
    ("config: {a: {type: secret, default: 12}}", ["4:37: config.a.default: has to be a string"]),
    ("config: {a: {type: integer, type: string}}", ["4:29: type stands here twice"]),
    (
        "author: !!python/object:os.system x",
        ["4:9: there is no tag:yaml.org,2002:python/object:os.system here"],
    ),
    ("author: !!int x", ["4:9: x is no int"]),
    ("author: {{a: b}: c}", ["4:10: a key is text", "4:9: author: has to be a string"]),
    ("<<: {author: Ada}", ["4:1: there is no key <<: there are name, description, "]),
]


@pytest.mark.parametrize(("below", "sentences"), WRONG, ids=[below for below, _ in WRONG])
def test_a_mistake_names_its_place(tmp_path: Path, below: str, sentences: list[str]) -> None:
    said = mistakes(tmp_path, HEAD + below + "\n")
    assert len(said) == len(sentences)
    assert all(one.startswith(sentence) for one, sentence in zip(said, sentences, strict=True)), said


@pytest.mark.parametrize("name", ["a b", "../x", "'#'", "-x"])
def test_a_name_is_a_word(tmp_path: Path, name: str) -> None:
    said = mistakes(tmp_path, HEAD.replace("weather", name, 1))
    assert said == ["1:7: name: has to be a word of letters, digits, `.`, `-` and `_`"]


def test_tabs_are_told_what_to_write_instead(tmp_path: Path) -> None:
    (said,) = mistakes(tmp_path, HEAD + "config:\n\ta: {}\n")
    assert said.endswith("indent with spaces")


def test_every_mistake_comes_at_once(tmp_path: Path) -> None:
    text = (
        "nam: weather\nversion: 3\nservice: {class_path: Weather}\nconfig:\n  a: {type: int}\n  b: {min: x}\n"
    )
    assert mistakes(tmp_path, text) == [
        "1:1: there is no key nam (did you mean name?)",
        '2:10: version: has to be a string: write "3"',
        "1:1: name is missing",
        "1:1: description is missing",
        '5:13: config.a.type: "int" is no type (did you mean integer?): there are '
        "string, integer, number, boolean, list, object, secret",
        "6:12: config.b.min: has to be a number",
        "3:23: service.class_path: has to be of the form module.ClassName",
    ]


def test_of_what_cannot_be_read_nothing_more_is_said(tmp_path: Path) -> None:
    assert mistakes(tmp_path, HEAD.replace("weather", "!!int x", 1)) == ["1:7: x is no int"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "1:1: is empty: an extension has at least a name, a description and a service"),
        (b"# nothing\n", "1:1: is empty"),
        (b"- name: weather\n", "1:1: has to be a mapping"),
        (b"weather", "1:1: has to be a mapping"),
        (b"~", "1:1: has to be a mapping"),
        (b"name: \xff\n", "1:1: is not UTF-8"),
        (b"a: b\nname: \xe4\n", "2:1: is not UTF-8"),
        (HEAD.encode("utf-16"), "1:1: is not UTF-8"),
        (b"name: a\0b\n", "1:1: is no YAML: unacceptable character"),
        (b"name: [\n", "2:1: is no YAML: "),
        (b"name: *who\n", "1:7: is no YAML: found undefined alias"),
        (HEAD.encode() + b"---\n" + HEAD.encode(), "4:1: is no YAML: but found another document"),
        (b"a: &a [*a]\n", "1:4: contains itself"),
        (b"a: &a {b: *a}\n", "1:4: contains itself"),
        (b"name: " + b"[" * 1000, "1:1: is nested too deeply"),
        (b"#" * (LARGEST + 1), f"1:1: is larger than {LARGEST // 1024} KiB"),
    ],
)
def test_what_is_no_manifest_at_all_is_one_sentence(tmp_path: Path, text: bytes, sentence: str) -> None:
    (said,) = mistakes(tmp_path, text)
    assert said.startswith(sentence)


def test_aliases_do_not_grow_without_bounds(tmp_path: Path) -> None:
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12)
    )
    began = time.process_time()
    (said,) = mistakes(tmp_path, bomb + HEAD + "config: {q: {default: *a11}}\n")
    assert "is more than 20000 values, with its aliases written out" in said
    assert time.process_time() - began < 2


def test_a_chain_of_aliases_does_not_grow_either(tmp_path: Path) -> None:
    chain = "a0: &a0 1\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 300))
    (said,) = mistakes(tmp_path, chain)
    assert "is more than 20000 values" in said


def test_an_alias_is_what_it_stands_for(tmp_path: Path) -> None:
    path = tmp_path / "extension.yaml"
    path.write_text(HEAD + "capabilities: &words [a, b]\nmodels: [{name: m, capabilities: *words}]\n")
    assert read(path).meta.models[0].capabilities == ("a", "b")


def test_a_date_is_text(tmp_path: Path) -> None:
    path = tmp_path / "extension.yaml"
    path.write_text(HEAD + "version: 2026-11-22\nauthor: 2026-99-99\n")
    assert (read(path).meta.version, read(path).meta.author) == ("2026-11-22", "2026-99-99")


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "extension.yaml")
    with pytest.raises(ManifestError, match=":1:1: is no file"):
        read(tmp_path / "extension.yaml")
    with pytest.raises(ManifestError, match=":1:1: cannot be read: No such file"):
        read(tmp_path / "nothing.yaml")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from([*manifest_keys.TOP, *manifest_keys.FIELD, "packages", "x"]) | st.text(max_size=4)
TREES = st.recursive(
    SCALARS | st.sampled_from([*FieldType]).map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from([*manifest_keys.TOP]), TREES),
    st.binary(max_size=4),
    st.integers(0, 10**6),
)
def test_no_manifest_raises_anything_but_its_mistakes(
    directory: Path, tree: dict[str, Any], noise: bytes, at: int
) -> None:
    text = json.dumps(tree).encode()
    at %= len(text)
    for content in (text, text[:at] + noise + text[at:]):
        for one in mistakes(directory, content):
            assert one[0].isdigit()


GOOD = [HEAD, WHOLE, HEAD + "models: []\nauthor:\nconfig: {a: , b: {type: , min: }}\ndependencies:\n"]
GOOD += [HEAD + "dependencies: [a]\nmodels: [a, {name: b, more: 1}]\n"]
BAD = ["- a", "name: a", HEAD.replace("weather", "''", 1), HEAD.replace("service.Weather", "Weather")]
ONLY_READING_TELLS = (
    "stands here twice",
    "there are two of",
    "is more than max",
    "cannot be the name",
    "<<",
    "tag:",
)
BEYOND_A_SCHEMA = (*ONLY_READING_TELLS, "is no requirement", "is no int", "a key is", "default")
BAD += [
    HEAD + below for below, said in WRONG if not any(word in one for one in said for word in BEYOND_A_SCHEMA)
]


@pytest.mark.parametrize("text", GOOD + BAD)
def test_the_schema_accepts_what_the_reader_does(tmp_path: Path, text: str) -> None:
    checker = Checker(manifest_keys.schema())
    is_good = not mistakes(tmp_path, text)
    assert is_good == (text in GOOD)
    assert checker.accepts(YAML(typ="safe", pure=True).load(text)) == is_good


def test_the_schema_that_is_shipped_is_the_one_that_is_meant() -> None:
    assert manifest_keys.SHIPPED.read_text() == manifest_keys.text(), "run `make docs`"

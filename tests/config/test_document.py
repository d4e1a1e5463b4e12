"""A file that cannot be understood at all: what is said of it, and where."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gleitzeitd.config.load import load
from gleitzeitd.config.source import LARGEST, read_text
from gleitzeitd.core.errors import ConfigError
from tests.config.mistaken import mistakes, mistakes_at, setting

GOOD = b"providers: {p: {class: module.Class}}\n"

NOT_YAML = {
    "a list that is not closed": (
        "providers: [\n",
        "2:1: this is not valid YAML: expected the node content, but found '<stream end>'"
        " (while parsing a flow node)",
    ),
    "a tab for indentation": (
        "providers:\n\tp: {}\n",
        "2:1: this is not valid YAML: found character '\\t' that cannot start any token"
        " (while scanning for the next token)",
    ),
    "two colons in a line": ("a: b: c\n", "1:5: this is not valid YAML: mapping values are not allowed here"),
    "an alias of nothing": ("a: 1\nb: *c\n", "2:4: this is not valid YAML: found undefined alias 'c'"),
    "two documents": (
        "providers: {}\n---\nproviders: {}\n",
        "2:1: this is not valid YAML: but found another document (expected a single document in the stream)",
    ),
    "a merge of what is no mapping": (
        "providers:\n  p: {<<: 5}\n",
        "2:11: this is not valid YAML: expected a mapping or list of mappings for merging, but found scalar"
        " (while constructing a mapping)",
    ),
    "a version of the future": (
        "%YAML 3.0\n---\nproviders: {}\n",
        "1:1: this is not valid YAML: found incompatible YAML document (version 1.* is required)",
    ),
    "brackets without end": (
        "providers: " + "[" * 500,
        "1:111: is nested more than 100 deep, which no setting needs",
    ),
    "a NUL": (
        "\0\1\2",
        "1:1: this is not YAML that can be read: unacceptable character #x0000: special characters are"
        " not allowed",
    ),
}

NOT_A_FILE_OF_SETTINGS = {
    "nothing": ("", "1:1: the file is empty: it needs a section `providers`"),
    "comments only": ("# soon\n", "1:1: the file is empty: it needs a section `providers`"),
    "a document of nothing": ("---\n", "1:1: the file is empty: it needs a section `providers`"),
    "a word": ("hello\n", '1:1: the file: must be a mapping of keys to values, not "hello"'),
    "a number": ("5\n", "1:1: the file: must be a mapping of keys to values, not 5"),
    "a list": ("- hello\n", "1:1: the file: must be a mapping of keys to values"),
}

WRONG_BYTES = {
    "Latin-1": (GOOD + b"# caf\xe9\n", "2:1: byte 43 is not UTF-8: save the file as UTF-8"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "1:1: byte 0 is not UTF-8: save the file as UTF-8"),
    "a gzip file": (b"\x1f\x8b\x08\x00", "1:1: byte 1 is not UTF-8: save the file as UTF-8"),
}

DUPLICATES = {
    "a provider": (
        "providers:\n  p: {class: module.Class}\n  q: {class: module.Class}\n  p: {class: module.Other}\n",
        '4:3: "p" is defined twice, first above at line 2: remove or rename one',
    ),
    "a section": (
        "providers: {}\nproviders: {}\n",
        '2:1: "providers" is defined twice, first above at line 1: remove or rename one',
    ),
    "a setting": (
        "providers:\n  p:\n    class: module.Class\n    class: module.Other\n",
        '4:5: "class" is defined twice, first above at line 3: remove or rename one',
    ),
}


@pytest.mark.parametrize(("text", "sentence"), NOT_YAML.values(), ids=NOT_YAML)
def test_what_is_not_yaml_is_shown_where_it_breaks(tmp_path: Path, text: str, sentence: str) -> None:
    assert mistakes(tmp_path, text) == [sentence]


@pytest.mark.parametrize(("text", "sentence"), NOT_A_FILE_OF_SETTINGS.values(), ids=NOT_A_FILE_OF_SETTINGS)
def test_what_holds_no_settings_is_told_what_it_needs(tmp_path: Path, text: str, sentence: str) -> None:
    assert mistakes(tmp_path, text) == [sentence]


@pytest.mark.parametrize(("content", "sentence"), WRONG_BYTES.values(), ids=WRONG_BYTES)
def test_bytes_that_are_not_utf_8_are_found(tmp_path: Path, content: bytes, sentence: str) -> None:
    assert mistakes(tmp_path, content) == [sentence]


def test_a_byte_order_mark_and_dos_line_ends_are_as_good_as_none(tmp_path: Path) -> None:
    assert mistakes(tmp_path, b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n")) == []


@pytest.mark.parametrize(("text", "sentence"), DUPLICATES.values(), ids=DUPLICATES)
def test_a_key_that_is_there_twice_names_both_places(tmp_path: Path, text: str, sentence: str) -> None:
    assert mistakes(tmp_path, text) == [sentence]


@pytest.mark.parametrize("key", ["1", "1.5", "true", "null", "2020-01-01"])
def test_a_key_that_is_not_text_is_told_how_to_become_it(tmp_path: Path, key: str) -> None:
    (sentence,) = mistakes(tmp_path, f"providers:\n  {key}: {{class: module.Class}}\n")

    assert sentence.startswith("2:3: ")
    assert "is not text" in sentence
    assert f'write it as "{key}"' in sentence


def test_a_file_that_is_not_there_is_named() -> None:
    assert mistakes_at("/nonexistent/p.yaml") == [" there is no such file"]


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert mistakes_at(str(tmp_path)) == [" this is not a regular file: name a file of text"]


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(ConfigError, match="this cannot be the name of a file"):
        load("a\0b")


def test_a_fifo_does_not_hold_the_daemon(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    os.mkfifo(path)

    assert mistakes_at(str(path)) == [" this is not a regular file: name a file of text"]


def test_what_cannot_be_opened_says_why(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.symlink_to("p.yaml")

    assert mistakes_at(str(path)) == [" cannot be read: Too many levels of symbolic links"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.touch(0o000)

    assert mistakes_at(str(path)) == [" cannot be read: Permission denied"]


@pytest.mark.parametrize("kind", ["directory", "fifo", "endless"])
def test_what_is_refused_is_not_held_open(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "p.yaml"
    if kind == "fifo":
        os.mkfifo(path)
    given = {"directory": str(tmp_path), "fifo": str(path), "endless": "/dev/zero"}[kind]
    before = os.listdir("/proc/self/fd")

    assert mistakes_at(given)
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_more_bytes_than_a_config_has_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"#" * LARGEST)
    assert len(read_text(str(path))) == LARGEST

    path.write_bytes(b"#" * (LARGEST + 1))
    assert mistakes_at(str(path)) == [" is larger than the 8 MiB that it may have"]


@pytest.mark.parametrize("value", ["!!set {a}", "!!binary aGVsbG8="], ids=["a set", "bytes"])
def test_a_value_that_no_provider_can_be_handed_is_refused_in_its_place(tmp_path: Path, value: str) -> None:
    # JSON carries the config, and what Python prints of such a value is not what anybody meant.
    assert mistakes(tmp_path, setting("providers.p.config.key", value)) == [
        "5:12: providers.p.config.key: is neither text, number, true, false, list nor mapping"
    ]


def test_an_ordered_map_is_a_mapping(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "providers: !!omap\n  - p: {class: module.Class}\n") == []


def test_what_contains_itself_is_refused(tmp_path: Path) -> None:
    text = "providers:\n  p:\n    class: module.Class\n    config: &c\n      inner: *c\n"

    assert mistakes(tmp_path, text) == ["4:13: this is not valid YAML: what contains itself has no end"]


def test_aliases_are_counted_as_what_they_stand_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gleitzeitd.config.nodes.MOST_VALUES", 1000)
    levels = [f"  a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 4)]
    (sentence,) = mistakes(tmp_path, "".join(["global:\n", "  a0: &a0 text\n", *levels]))

    assert sentence.endswith(": with its aliases the file has more than 1,000 values")


def test_a_file_of_very_many_parts_is_refused_where_they_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gleitzeitd.config.parse.MOST_NODES", 10)

    assert mistakes(tmp_path, "providers:\n" + "  - a\n" * 10) == [
        "9:5: this is not valid YAML: more than 10 keys and values"
    ]


def test_all_that_is_defined_twice_is_told_at_once(tmp_path: Path) -> None:
    text = "providers:\n  p: {class: a.B, class: a.C}\n  1: {}\n  p: {}\n"

    assert [sentence.split(" is ")[0] for sentence in mistakes(tmp_path, text)] == [
        '2:19: "class"',
        "3:3: the key 1",
        '4:3: "p"',
    ]


@pytest.mark.parametrize(
    "date", ["2020-01-31", "2020-13-41", "2020-01-31T10:00:00Z", "2020-01-31 10:00:00.5 +1"]
)
def test_a_date_is_the_text_that_the_file_shows(tmp_path: Path, date: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(setting("providers.p.config.at", date))

    assert load(str(path)).specs[0].config == {"at": date}


def test_a_number_that_is_none_is_told_in_its_place(tmp_path: Path) -> None:
    assert mistakes(tmp_path, setting("providers.p.config.key", "!!int x")) == [
        "5:12: this is not a number that can be read"
    ]


def test_a_file_of_the_older_yaml_is_read_as_such(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("%YAML 1.1\n---\n" + setting("providers.p.config", "{a: yes, b: 010, c: 1:30}"))

    assert load(str(path)).specs[0].config == {"a": True, "b": 8, "c": 90}


def test_what_is_merged_may_be_several_and_the_first_wins(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "providers:\n"
        "  one: &one {command: x, nice: 1}\n  two: &two {command: y, nice: 2, description: two}\n"
        "  three: {<<: [*one, *two], instances: 3}\n"
    )
    three = load(str(path)).by_name["three"]

    assert (three.identity.nice, three.description, three.instances) == (1, "two", 3)


def test_a_merged_block_is_a_block_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "providers:\n"
        "  one: &one\n    class: module.Class\n    description: first\n"
        "  two:\n    <<: *one\n    description: second\n"
    )
    one, two = load(str(path)).specs

    assert (one.target, one.description) == (two.target, "first")
    assert (two.description, two.where) == ("second", f"{path}:5")

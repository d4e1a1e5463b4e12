"""One value is changed, and every other byte of the owner's file is as it was; or the edit is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleitzeitd.config.edit import line_of, set_value
from gleitzeitd.config.flow import EditError, data_of, value_of

Where = tuple[str | int, ...]

FILE = """\
# the house
global:
  auto_start: yes   # why not

providers:

  first:   # the first
    class: "a.B"
    config:
      name: 'first'

      # about what follows
    restart: {initial: 0.5, policy: always}   # a flow
  # about the second
  second:
    command:
      - sleep   # a program
      - "60"
    description: >-
      Two
      lines.
    env: {}
    stop:
    limits: ~
"""
FIRST, SECOND = ("providers", "first"), ("providers", "second")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(
    ("path", "typed", "old", "new"),
    [
        pytest.param(("global", "auto_start"), "false", "yes   # why", "false   # why", id="a scalar"),
        pytest.param((*FIRST, "class"), "b.C", '"a.B"', "b.C", id="a quoted one"),
        pytest.param((*FIRST, "config", "name"), "x", "'first'", "x", id="a single quoted one"),
        pytest.param((*FIRST, "restart", "initial"), "10s", "0.5", "10s", id="in a flow mapping"),
        pytest.param(
            (*SECOND, "description"), "One, line", ">-\n      Two\n      lines.", '"One, line"', id="a block"
        ),
        pytest.param(
            (*SECOND, "command"),
            "[a, b]",
            '\n      - sleep   # a program\n      - "60"\n',
            " [a, b]\n",
            id="a whole list",
        ),
        pytest.param((*SECOND, "command", 1), "'7'", '"60"', '"7"', id="an item of a list"),
        pytest.param(
            (*FIRST, "restart"),
            "{max_delay: 3}",
            "{initial: 0.5, policy: always}",
            "{max_delay: 3}",
            id="a whole flow mapping",
        ),
        pytest.param(
            (*FIRST, "config", "size"), "3", "'first'\n", "'first'\n      size: 3\n", id="a new key"
        ),
        pytest.param(
            (*FIRST, "restart", "period"), "3", "always}", "always, period: 3}", id="one in a flow mapping"
        ),
        pytest.param((*SECOND, "env", "A_B"), "x", "env: {}", "env: {A_B: x}", id="one in an empty mapping"),
        pytest.param(
            (*SECOND, "stop", "timeout"),
            "3",
            "stop:\n",
            "stop:\n      timeout: 3\n",
            id="one in a section with nothing in it",
        ),
        pytest.param(
            (*SECOND, "limits", "nofile"), "3", "limits: ~", "limits: {nofile: 3}", id="one in a null section"
        ),
        pytest.param((*SECOND, "stop"), "{timeout: 3}", "stop:\n", "stop: {timeout: 3}\n", id="for nothing"),
        pytest.param(
            (*FIRST, "health", "interval"),
            "3",
            "always}   # a flow\n",
            "always}   # a flow\n    health:\n      interval: 3\n",
            id="a new section, before the comment about what follows",
        ),
        pytest.param(
            ("other", "a b", "c"), "null", "~\n", "~\nother:\n  a b:\n    c: null\n", id="one in the root"
        ),
        pytest.param((*SECOND, "limits"), "[0027, 3.10, .5]", "~", "[0027, 3.10, .5]", id="numbers as typed"),
    ],
)
def test_what_is_set_is_all_that_changes(
    path: Where, typed: str, old: str, new: str, line_end: str, mark: str
) -> None:
    assert FILE.count(old) == 1
    file, old, new = (text.replace("\n", line_end) for text in (FILE, old, new))

    assert set_value(mark + file, path, value_of(typed)) == mark + file.replace(old, new)


@pytest.mark.parametrize(
    ("text", "path", "new"),
    [
        ("", ("a", "b"), "a:\n  b: 7\n"),
        ("# nothing yet", ("a",), "# nothing yet\na: 7"),
        ("---\n", ("a",), "---\na: 7\n"),
        ("a: 1", ("b",), "a: 1\nb: 7"),
        ("a:\n- 1\n-  2", ("a",), "a: 7\n"),
        ("a:\n    b: 1\nc:\n", ("c", "d"), "a:\n    b: 1\nc:\n    d: 7\n"),
        ("a:\n  b:\n# c\nc: 1", ("a", "d"), "a:\n  b:\n  d: 7\n# c\nc: 1"),
        ("a: {b}", ("a", "c"), "a: {c: 7, b}"),
        ("a: {\n  b: 1,  # one\n}", ("a", "c"), "a: {\n  b: 1, c: 7,  # one\n}"),
        ("a: {b: , c: 2}", ("a", "b", "d"), "a: {b: {d: 7} , c: 2}"),
        ("a: |\n  text\n\n# b\nb: 1", ("a",), "a: 7\n\n# b\nb: 1"),
        ("a:\n  b: |+\n    text\n\nc: 1", ("a", "d"), "a:\n  b: |+\n    text\n\n  d: 7\nc: 1"),
        ("a: one\n  two # c\n", ("a",), "a: 7 # c\n"),
        ("a:\n  one\n", ("a",), "a:\n  7\n"),
        ("a: &unused 1\n", ("a",), "a: 7\n"),
        ('"a" : 1\n', ("a",), '"a" : 7\n'),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", ("c", "b"), "a: &x {b: 1}\nc: {<<: *x, d: 2, b: 7}"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", ("c", "b"), "a: &x {b: 1}\nc:\n  <<: *x\n  b: 7\n"),
        ("a: &x {b: 1}\nc: {<<: *x, b: 2}", ("c", "b"), "a: &x {b: 1}\nc: {<<: *x, b: 7}"),
        ("%YAML 1.2\n---\na: 1\n...\n", ("b",), "%YAML 1.2\n---\na: 1\nb: 7\n...\n"),
    ],
)
def test_odd_ways_to_write_are_kept_too(text: str, path: Where, new: str) -> None:
    assert set_value(text, path, 7) == new


def test_a_number_is_what_is_written() -> None:
    assert set_value("version: 3.1", ("version",), value_of("3.10")) == "version: 3.10"
    assert set_value("umask: 22", ("umask",), value_of("0022")) == "umask: 0022"


@pytest.mark.parametrize("typed", ["yes", "3.10", "'3.10'", "[a, {b: 1}]", "''", "null", "~", "a: 1"])
def test_what_is_so_already_changes_nothing(typed: str) -> None:
    text = f"# how it is\na: {{b: {typed}}}\n" if ": " not in typed else f"a:\n  b:\n    {typed} # x\n"

    assert set_value(text, ("a", "b"), value_of(typed)) == text


@pytest.mark.parametrize(
    ("text", "path", "line", "says"),
    [
        ("a: 1\nb: *x\n", ("b",), 2, "undefined alias"),
        ("a: &x 1\nb: *x\n", ("b",), 2, "b is the alias *x"),
        ("a: &x {c: 1}\nb: *x\n", ("b", "c"), 2, "b is the alias *x"),
        ("a: &x 1\nb: *x\n", ("a",), 1, "&x, so to set it would change others"),
        ("a: &x {c: 1}\nb: {<<: *x}\n", ("a", "c"), 1, "&x, so to set it would change others"),
        ("b: 0\na: &x\n  c: 1\nd: [*x]\n", ("a", "d"), 2, "&x, so to set it would change others"),
        ("a: &x {c: {d: 1, e: 2}}\nb: {<<: *x}\n", ("b", "c", "d"), 2, "from a merge (<<)"),
        ("a: [1, 2]\n", ("a", "b"), 1, 'a has no key "b"'),
        ("\na: [1, 2]\n", ("a", 2), 2, 'a has no key "2"'),
        ("a: text\n", ("a", "b", "c"), 1, 'a has no key "b"'),
        ("a: {b}\n", ("a", "b"), 1, "a.b cannot be set without changing more"),
        ("? a\n: {b: 1}\nc: 2\n", ("d",), 1, "d cannot be set without changing more"),
        ("a: 1\na: 2\n", ("a",), 2, '"a" is defined twice, first above at line 1'),
        ("a: [\n", ("a",), 2, "expected the node content"),
        ("a: 1\n---\nb: 2\n", ("a",), 2, "another document"),
        ("1: 2\n", ("a",), 1, "the key 1 is not text"),
        ("\ufeffx: 1\na: &x 1\nb: *x\n", ("a",), 2, "&x, so"),
    ],
)
def test_what_is_not_certain_is_refused_in_a_sentence(text: str, path: Where, line: int, says: str) -> None:
    with pytest.raises(EditError) as refused:
        set_value(text, path, 7)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.line == line


def test_a_refusal_shows_no_value() -> None:
    for text in ("key: sk-1\nkey: sk-2\n", "key: [sk-1\n", "key: *sk-1\nkey: sk-1: sk-2\n"):
        with pytest.raises(EditError) as refused:
            set_value(text, ("a",), "sk-3")
        assert "sk-2" not in str(refused.value)
        assert "sk-3" not in str(refused.value)


@pytest.mark.parametrize("typed", ["* * * * *", "[a", "a: b: c", "\x00", "@x", '"'])
def test_what_was_typed_and_is_no_yaml_is_refused_with_the_way_out(typed: str) -> None:
    with pytest.raises(EditError, match=r"the value is not YAML: .*: put text in double quotes"):
        value_of(typed)


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("", ""),
        ("  ", "  "),
        ("one\n two", "one\n two"),
        ("one\r\n\r\ntwo\n", "one\r\n\r\ntwo\n"),
        ("one\n", "one"),
        ("|\n one\n # two", "one\n# two\n".rstrip("\n")),
        ("[a,\n b]", ["a", "b"]),
        ("'a # b'", "a # b"),
        ("a#b", "a#b"),
    ],
)
def test_text_is_what_was_typed(typed: str, value: object) -> None:
    assert value_of(typed) == value


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("p4ss #word", "the value has a comment, which begins at character 6: put text in double quotes"),
        ("#word", "begins at character 1:"),
        ("[a, # b\n c]", "begins at character 5:"),
        ("'a # b' # c", "begins at character 9:"),
        ('"one\n two"', "YAML makes a space of a line break in the value"),
        ("{a: one\n two}", "YAML makes a space of a line break in the value"),
    ],
)
def test_what_would_not_be_kept_is_refused_with_the_way_out(typed: str, says: str) -> None:
    with pytest.raises(EditError) as refused:
        value_of(typed)

    assert says in str(refused.value)
    assert "in double quotes" in str(refused.value)
    assert "word" not in str(refused.value)


def test_an_alias_is_refused_with_what_can_be_done() -> None:
    with pytest.raises(EditError) as refused:
        set_value("x: &a 0\na: &a\n  c: 1\nb: *a\nc: &a 3\n", ("b", "c"), 7)

    assert str(refused.value) == (
        "b is the alias *a, which others share: edit it by hand at line 2, or give b a block of its own"
    )


def test_a_line_is_that_of_the_value_or_of_what_is_around_it() -> None:
    assert line_of(FILE, (*FIRST, "restart", "policy")) == 13
    assert line_of(FILE, (*FIRST, "nothing")) == 8
    assert line_of("\ufeff# a\r\n\r\nb: 1", ("b",)) == 3
    assert line_of("", ("b",)) == 1


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["yes", "10s", "null", "", "# no", "a: b", "- a", "${A:-b}", "é ü", "{", "*x", "1_0"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
KEYS = st.sampled_from(["a", "b", "name", "key two", "é", "x.y", "yes", "7", "- q", "#", "A_KEY"])
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)


@dataclass
class Written:
    """A text as somebody may have written it, and which of its lines each path has."""

    lines: list[str] = field(default_factory=list)
    spans: dict[Where, tuple[int, int]] = field(default_factory=dict)
    blocks: set[Where] = field(default_factory=lambda: {()})


@dataclass
class Writer:
    """Writes data in block or flow style, with comments and empty lines wherever they may be."""

    draw: st.DrawFn
    written: Written = field(default_factory=Written)

    def mapping(self, data: dict[str, Any], path: Where, indent: int) -> None:
        for key, value in data.items():
            self.between(indent)
            self.entry(key, value, (*path, key), indent)

    def entry(self, key: str, value: Any, path: Where, indent: int) -> None:
        written, start = self.written, len(self.written.lines)
        head = f"{' ' * indent}{self.scalar(key)}:"
        if isinstance(value, dict) and value and self.draw(st.booleans()):
            written.lines.append(f"{head}{self.comment()}")
            written.blocks.add(path)
            self.mapping(value, path, indent + self.draw(st.integers(1, 4)))
        elif isinstance(value, list) and value and self.draw(st.booleans()):
            written.lines.append(f"{head}{self.comment()}")
            deeper = " " * (indent + self.draw(st.integers(0, 3)))
            written.lines += [f"{deeper}- {self.flow(item)}{self.comment()}" for item in value]
        elif isinstance(value, str) and value.isascii() and value.isalpha() and self.draw(st.booleans()):
            written.lines += [f"{head} |-{self.comment()}", f"{' ' * (indent + 2)}{value}"]
        elif value is None and self.draw(st.booleans()):
            written.lines.append(f"{head}{self.comment()}")
        else:
            written.lines.append(f"{head} {self.flow(value)}{self.comment()}")
        written.spans[path] = (start, len(written.lines))

    def flow(self, value: Any) -> str:
        comma = self.draw(st.sampled_from([", ", " ,  ", ","]))
        match value:
            case dict():
                return "{" + comma.join(f"{self.scalar(k)}: {self.flow(v)}" for k, v in value.items()) + "}"
            case list():
                return "[ " + comma.join(map(self.flow, value)) + "]"
            case _:
                return self.scalar(value)

    def scalar(self, value: Any) -> str:
        match value:
            case None:
                return "null"
            case bool():
                return str(value).lower()
            case str():
                return '"' + "".join(map(escaped, value)) + '"'
            case _:
                return str(value)

    def between(self, indent: int) -> None:
        odd = [[], [], [""], [f"{' ' * indent}# between {len(self.written.lines)}"], ["# at the margin", ""]]
        self.written.lines += self.draw(st.sampled_from(odd))

    def comment(self) -> str:
        return self.draw(st.sampled_from(["", "", f"   # comment {len(self.written.lines)}"]))


def escaped(char: str) -> str:
    return char if char.isalnum() and char.isascii() else f"\\U{ord(char):08x}"


@st.composite
def edits(draw: st.DrawFn) -> tuple[Written, dict[str, Any], Where, Any]:
    data = draw(st.dictionaries(KEYS, DATA, min_size=1, max_size=4))
    writer = Writer(draw)
    writer.mapping(data, (), draw(st.sampled_from([0, 0, 2])))
    writer.between(0)
    path = draw(st.sampled_from(list(mappings(data, ()))))
    new = draw(st.lists(KEYS, max_size=3))
    return writer.written, data, (*path, *new) or ("a",), draw(DATA)


def mappings(data: Any, path: Where) -> Iterator[Where]:
    """Where a key may be set: in a mapping, and in what is null."""
    if isinstance(data, dict):
        yield path
        for key, value in data.items():
            yield from mappings(value, (*path, key))
    elif data is None:
        yield path


def put(data: Any, path: Where, value: Any) -> Any:
    if not path:
        return value
    inner = data if isinstance(data, dict) else {}
    return inner | {path[0]: put(inner.get(path[0]), path[1:], value)}


def reached(data: Any, path: Where) -> Any:
    for part in path:
        if not isinstance(data, dict) or part not in data:
            return data
        data = data[part]
    return None


@settings(max_examples=60, deadline=None)
@given(edit=edits(), line_end=st.sampled_from(["\n", "\r\n"]), is_ended=st.booleans())
def test_any_edit_of_any_text_says_what_was_set_and_keeps_all_other_lines(
    edit: tuple[Written, dict[str, Any], Where, Any], line_end: str, is_ended: bool
) -> None:
    written, data, path, value = edit
    text = line_end.join(written.lines) + (line_end if is_ended else "")
    assert exact(data_of(text)) == exact(data)
    if isinstance(reached(data, path), str | int | float | list):
        with pytest.raises(EditError, match="is no mapping"):
            set_value(text, path, value)
        return

    new = set_value(text, path, value)

    assert exact(data_of(new)) == exact(put(data, path, value))
    before, after = lines_of(text), lines_of(new)
    nearest = next(path[:n] for n in range(len(path), -1, -1) if path[:n] in {(), *written.spans})
    start, end = written.spans.get(nearest, (0, len(before)))
    if nearest != path and nearest in written.blocks:
        kept = iter(after)
        assert all(line in kept for line in before)
    else:
        assert after[:start] == before[:start]
        assert after[len(after) - len(before) + end :] == before[end:]


def lines_of(text: str) -> list[str]:
    return re.split("\r\n|\n", text)


def exact(data: Any) -> Any:
    match data:
        case dict():
            return {key: exact(value) for key, value in data.items()}
        case list():
            return [exact(value) for value in data]
        case bool() | None | str():
            return data
        case int():
            return "int", int(data)
        case _:
            return "float", float(data)

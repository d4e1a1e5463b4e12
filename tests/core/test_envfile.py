"""What a file of variables says, line by line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleitzeitd.core.envfile import parse
from gleitzeitd.core.errors import ConfigError

LINES = {
    "": {},
    "# A=1": {},
    "A=": {"A": ""},
    "A=1": {"A": "1"},
    "  export  A=1  ": {"A": "1"},
    "A = 1 ": {"A": "1"},
    "A=b=c": {"A": "b=c"},
    "A=a b": {"A": "a b"},
    "A=a # comment": {"A": "a"},
    "A= # comment": {"A": ""},
    "A=a#b": {"A": "a#b"},
    "A=#b": {"A": "#b"},
    "A=it's": {"A": "it's"},
    r"A=C:\new": {"A": r"C:\new"},
    "A=$B${C}": {"A": "$B${C}"},
    "A='a # b' # comment": {"A": "a # b"},
    r"A='\n'": {"A": r"\n"},
    'A=" a "': {"A": " a "},
    r'A="a\nb\t\"\\n\$"': {"A": 'a\nb\t"\\n$'},
    r'A="C:\dir"': {"A": r"C:\dir"},
    "A=1\nA=2\r\nB=3": {"A": "2", "B": "3"},
    "A=a\x85b": {"A": "a\x85b"},
}
WRONG = {
    "secret": "must be NAME=value, a comment or empty",
    "=secret": "must be NAME=value, a comment or empty",
    "1A=secret": "must be NAME=value, a comment or empty",
    "A B=secret": "must be NAME=value, a comment or empty",
    "A=secret\0": "has a character that no variable can have",
    "A='secret": "has a quote that does not close, or more than a comment behind the one that does",
    'A="secret\\"': "has a quote that does not close, or more than a comment behind the one that does",
    "A='secret'b": "has a quote that does not close, or more than a comment behind the one that does",
}


@pytest.mark.parametrize("text", LINES)
def test_a_line_is_a_variable_or_nothing(text: str) -> None:
    assert parse(text, "vars") == LINES[text]


def test_all_wrong_lines_are_named_and_none_is_shown() -> None:
    """Seen to fail when the sentence showed the line."""
    with pytest.raises(ConfigError) as caught:
        parse("\n".join(["A=1", *WRONG]), "a/vars")

    told = [f"a/vars:{number}: {sentence}" for number, sentence in enumerate(WRONG.values(), start=2)]
    assert list(caught.value.problems) == told


@settings(deadline=None)
@given(st.text(st.characters(exclude_characters="\0"), max_size=30))
def test_any_value_can_be_written(value: str) -> None:
    written = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")

    assert parse(f'A="{written}"', "vars") == {"A": value}


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        variables = parse(text, "vars")
    except ConfigError:
        return
    assert "\0" not in "".join(variables.values())

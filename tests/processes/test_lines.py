"""Bytes become lines of bounded length, however they come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.processes import output
from gleitzeitd.processes.output import LONGEST_LINE, Lines

Cut = list[tuple[bytes, bool]]

BYTES = st.lists(st.sampled_from([b"\n", b"a", b"bb", b"\0", b"\xff", b"\r\n", b"cccc"]), max_size=40).map(
    b"".join
)


@pytest.fixture(autouse=True)
def _short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """With lines of at most four bytes, few bytes reach every case."""
    monkeypatch.setattr(output, "LONGEST_LINE", 4)


def cut(*chunks: bytes) -> Cut:
    lines = Lines()
    return [part for chunk in chunks for part in lines.feed(chunk)] + list(lines.end())


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Some bytes, and the same bytes in pieces."""
    data = draw(BYTES)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return data, [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


@given(chunked())
def test_the_pieces_in_which_bytes_come_make_no_difference(given: tuple[bytes, list[bytes]]) -> None:
    data, chunks = given

    assert cut(*chunks) == cut(data)


@given(chunked())
def test_nothing_is_lost_and_nothing_added(given: tuple[bytes, list[bytes]]) -> None:
    data, chunks = given
    joined = b"".join(line + (b"" if partial else b"\n") for line, partial in cut(*chunks))

    assert joined.removesuffix(b"\n") == data.removesuffix(b"\n")


@given(chunked())
def test_no_part_is_longer_than_the_longest_line(given: tuple[bytes, list[bytes]]) -> None:
    _, chunks = given

    assert all(len(line) <= 4 for line, _ in cut(*chunks))


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        (b"", []),
        (b"\n", [(b"", False)]),
        (b"ab", [(b"ab", False)]),
        (b"ab\n", [(b"ab", False)]),
        (b"ab\n\ncd\n", [(b"ab", False), (b"", False), (b"cd", False)]),
        (b"abcd\n", [(b"abcd", False)]),
        (b"abcde\n", [(b"abcd", True), (b"e", False)]),
        (b"abcdefghi", [(b"abcd", True), (b"efgh", True), (b"i", False)]),
        (b"\0\xff\r\n", [(b"\0\xff\r", False)]),
    ],
)
def test_a_line_is_whole_unless_it_is_too_long(data: bytes, parts: Cut) -> None:
    assert cut(data) == parts


def test_a_line_is_given_as_soon_as_it_is_complete() -> None:
    lines = Lines()

    assert list(lines.feed(b"on")) == []
    assert list(lines.feed(b"e\ntw")) == [(b"one", False)]
    assert list(lines.end()) == [(b"tw", False)]
    assert list(lines.end()) == []


def test_a_record_is_small_enough_for_every_log_shipper() -> None:
    assert LONGEST_LINE == 16 * 1024

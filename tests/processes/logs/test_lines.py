"""Bytes become records of bounded length, however they come."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.processes.logs import lines
from gleitzeitd.processes.logs.lines import LONGEST_LINE, Chunk, Lines, Record, stamp

Cut = list[tuple[bytes, bool]]

BYTES = st.lists(st.sampled_from([b"\n", b"a", b"bb", b"\0", b"\xff", b"\r\n", b"cccc"]), max_size=40).map(
    b"".join
)


@pytest.fixture(autouse=True)
def _short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """With lines of at most four bytes, few bytes reach every case."""
    monkeypatch.setattr(lines, "LONGEST_LINE", 4)


def chunk(data: bytes, goes_on: bool = False) -> Chunk:
    return Chunk("p", "now", "stdout", data, goes_on)


def chunks(*reads: bytes) -> list[Chunk]:
    """What becomes of what was read."""
    held = Lines()
    given = [held.feed(data) for data in reads]
    return [chunk(data, goes_on) for data, goes_on in [*given, (held.end(), False)] if data]


def cut(*reads: bytes) -> Cut:
    return [(record.line, record.partial) for one in chunks(*reads) for record in one.records()]


@st.composite
def in_pieces(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Some bytes, and the same bytes in pieces."""
    data = draw(BYTES)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return data, [data[start:end] for start, end in pairwise([0, *cuts, len(data)])]


@given(in_pieces())
def test_the_pieces_in_which_bytes_come_make_no_difference(given: tuple[bytes, list[bytes]]) -> None:
    data, pieces = given

    assert cut(*pieces) == cut(data)


@given(in_pieces())
def test_nothing_is_lost_and_nothing_added(given: tuple[bytes, list[bytes]]) -> None:
    data, pieces = given

    assert b"".join(one.data for one in chunks(*pieces)) == data
    joined = b"".join(line + (b"" if partial else b"\n") for line, partial in cut(*pieces))
    assert joined.removesuffix(b"\n") == data.removesuffix(b"\n")


@given(in_pieces())
def test_no_part_is_longer_than_the_longest_line(given: tuple[bytes, list[bytes]]) -> None:
    _, pieces = given

    assert all(len(line) <= 4 for line, _ in cut(*pieces))


@given(in_pieces())
def test_a_chunk_is_in_the_file_what_its_records_are(given: tuple[bytes, list[bytes]]) -> None:
    """Seen to fail when lines were told plain by the end of the chunk alone."""
    _, pieces = given

    for one in chunks(*pieces):
        assert one.cri() == b"".join(record.cri() for record in one.records())


@given(in_pieces(), st.integers(0, 1000))
def test_what_is_kept_of_a_chunk_is_known(given: tuple[bytes, list[bytes]], written: int) -> None:
    """Seen to fail when the ends of parts, which are ours, were counted as the child's."""
    _, pieces = given

    for one in chunks(*pieces):
        in_file = one.cri()[:written]
        head = len(b"now stdout F ")
        parts = [(record, record.cri()) for record in one.records()]
        kept, at, left = 0, 0, len(one.data)
        for record, block in parts:
            there = in_file[at : at + len(block)]
            at += len(block)
            # The line end of the last record is the child's only if there is something left of it.
            size = len(record.line) + (not record.partial and left > len(record.line))
            left -= size
            kept += min(max(0, len(there) - head), size)
        assert one.kept(written) == kept
        assert one.kept(len(one.cri())) == len(one.data)


@given(in_pieces(), st.integers(1, 20))
def test_the_last_records_of_a_chunk(given: tuple[bytes, list[bytes]], count: int) -> None:
    _, pieces = given

    for one in chunks(*pieces):
        shortened, found = one.last(count)
        wanted = list(one.records())[-count:]
        assert (list(shortened.records()), found) == (wanted, len(wanted))


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
    held = Lines()

    assert held.feed(b"on") == (b"", False)
    assert held.feed(b"e\ntw") == (b"one\n", False)
    assert held.feed(b"oooo") == (b"twoo", True)
    assert held.end() == b"oo"
    assert held.end() == b""


def test_a_record_is_small_enough_for_every_log_shipper() -> None:
    assert LONGEST_LINE == 16 * 1024


def record(line: bytes, partial: bool = False) -> Record:
    return Record("p", "2026-01-31T12:00:00.123456000Z", "stdout", line, partial)


def test_a_record_is_a_line_of_the_cri_log_format() -> None:
    assert record(b"hello").cri() == b"2026-01-31T12:00:00.123456000Z stdout F hello\n"
    assert record(b"hel", partial=True).cri() == b"2026-01-31T12:00:00.123456000Z stdout P hel\n"
    assert record(b"").cri() == b"2026-01-31T12:00:00.123456000Z stdout F \n"
    assert record(b"\xff\0").cri() == b"2026-01-31T12:00:00.123456000Z stdout F \xff\0\n"


def test_a_time_has_nanoseconds_and_is_utc() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", stamp())

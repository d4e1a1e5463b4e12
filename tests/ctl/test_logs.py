"""Reading logs: what a search and a time find, forwards and backwards, and where two sources meet."""

from __future__ import annotations

import gzip
import os
import re
import sys
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gleitzeitctl.complaint import Complaint
from gleitzeitctl.logs import shelf
from gleitzeitctl.logs.records import Record, Wanted, parse
from gleitzeitctl.logs.seam import Seam
from gleitzeitctl.logs.shown import Words, as_line
from gleitzeitctl.logs.times import stamp
from tests.ctl.conftest import MODULE
from tests.terminal import terminal

anew = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
LINES = st.lists(
    st.tuples(
        st.integers(0, 30), st.sampled_from(["stdout", "stderr"]), st.text("ab 1", max_size=6), st.booleans()
    ),
    max_size=30,
)
PATTERNS = ["a", "b$", "^a", "a+b", "[^a]b", "(?=b)a|b", "a.1", "", r"\s", "^$", "(?i)A", "b|^1"]


def time(second: int) -> bytes:
    return f"2026-11-23T05:00:{second:02}.000000000Z".encode()


def records(lines: list[tuple[int, str, str, bool]]) -> list[Record]:
    ascending = sorted(second for second, *_ in lines)
    return [
        Record(time(second), "one", stream, text.encode(), partial)
        for second, (_, stream, text, partial) in zip(ascending, lines, strict=True)
    ]


def written(directory: Path, found: list[Record], cuts: list[int]) -> None:
    """The records in files, of which all but the first two are compressed."""
    for old in directory.iterdir():
        old.unlink()
    edges = [0, *sorted(min(cut, len(found)) for cut in cuts), len(found)]
    for number, (start, end) in enumerate(reversed(list(pairwise(edges)))):
        data = b"".join(
            b"%s %s %s %s\n" % (r.time, r.stream.encode(), b"P" if r.partial else b"F", r.line)
            for r in found[start:end]
        )
        path = directory / ("one.log" if number == 0 else f"one.log.{number}")
        path.with_name(path.name + (".gz" if number > 1 else "")).write_bytes(
            gzip.compress(data) if number > 1 else data
        )


@anew
@given(
    lines=LINES,
    cuts=st.lists(st.integers(0, 30), max_size=3),
    pattern=st.sampled_from([None, *PATTERNS]),
    since=st.integers(0, 31),
    until=st.integers(0, 31),
    stream=st.sampled_from(["", "stderr"]),
    count=st.integers(0, 40),
)
def test_what_is_read_is_what_was_asked_for(
    tmp_path: Path,
    lines: list[tuple[int, str, str, bool]],
    cuts: list[int],
    pattern: str | None,
    since: int,
    until: int,
    stream: str,
    count: int,
) -> None:
    everything = records(lines)
    written(tmp_path, everything, cuts)
    grep = None if pattern is None else re.compile(pattern.encode())
    wanted = Wanted(time(since) if since else b"", time(until) if until < 31 else b"", stream, grep)

    fitting = [record for record in everything if wanted.fits(record)]
    assert list(shelf.forwards(str(tmp_path), ["one"], wanted)) == fitting
    assert shelf.newest(str(tmp_path), ["one"], wanted, count) == fitting[max(len(fitting) - count, 0) :]


@anew
@given(lines=LINES, start=st.integers(0, 30), end=st.integers(0, 30))
def test_two_sources_make_one_without_a_gap_and_without_a_copy(
    lines: list[tuple[int, str, str, bool]], start: int, end: int
) -> None:
    """One knows all to some point, the other all from the beginning of some time on, which is not later."""
    everything = records(lines)
    to = min(end, len(everything))
    rest = [record.time for record in everything[to:]]
    since = min([record.time for record in everything[start:]] + rest, default=time(31))
    other = [record for record in everything if record.time >= since]
    seam = Seam()
    one, two = seam.source(), seam.source()
    seen = [record for record in everything[:to] if one.is_new(record)]
    seen += [record for record in other if two.is_new(record)]

    assert seen == everything


def test_a_name_means_itself_its_provider_or_a_pattern() -> None:
    known = ["calc", "web#1", "web#2", "webcam"]
    assert shelf.meant(["web"], known) == ["web#1", "web#2"]
    assert shelf.meant(["web#2", "c*"], known) == ["calc", "web#2"]
    assert shelf.meant(["all"], known) == known


def test_what_is_no_record_is_left_out(tmp_path: Path) -> None:
    torn = b"2026-11-23T05:00:00.000000000Z stdo\n\n" + time(1) + b" stdout F whole\n" + time(2) + b" std"
    (tmp_path / "one.log").write_bytes(torn)
    assert [r.line for r in shelf.forwards(str(tmp_path), ["one"], Wanted())] == [b"whole"]
    assert [r.line for r in shelf.newest(str(tmp_path), ["one"], Wanted(), 5)] == [b"whole"]
    assert parse("one", b"x") is None


def test_a_link_or_a_fifo_in_the_place_of_a_log_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(time(1) + b" stdout F secret\n")
    (tmp_path / "one.log").symlink_to(tmp_path / "secret")
    with pytest.raises(OSError, match="symbolic link"):
        shelf.newest(str(tmp_path), ["one"], Wanted(), 5)
    os.mkfifo(tmp_path / "two.log")
    with pytest.raises(OSError, match="not a file"):
        shelf.newest(str(tmp_path), ["two"], Wanted(), 5)


NOW = datetime(2026, 11, 23, 5, 10, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10m", "2026-11-23T04:00:00"),
        ("1h ago", "2026-11-23T03:10:00"),
        ("2d", "2026-11-21T04:10:00"),
        ("05:00", "2026-11-23T04:00:00"),
        ("23:00", "2026-11-22T22:00:00"),
        ("2026-11-23T05:10:00Z", "2026-11-23T05:10:00"),
        ("2026-11-23T05:10:00+02:00", "2026-11-23T03:10:00"),
    ],
)
def test_times_are_read_as_people_write_them(text: str, told: str) -> None:
    assert stamp("--since", text, NOW) == f"{told}.000000000Z".encode()


@pytest.mark.parametrize("text", ["", "soon", "10", "25:00", "2026-13-01", "99999999999999d"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Complaint, match=r"--since .* is no time: write it like 10m"):
        stamp("--since", text, NOW)


def said(*lines: bytes, alone: str | None = "one") -> str:
    return "".join(Words(alone, 3, False)(Record(time(1), "one", "stdout", line, False) for line in lines))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"level": "warning", "msg": "disk full", "free": 0, "time": "x"}', "WARNING disk full free=0"),
        (b'{"event": "started", "who": "a b"}', 'started who="a b"'),
        (b'{"result": 3}', '{"result": 3}'),
        (b'{"message": 3}', '{"message": 3}'),
        (b"{not json", "{not json"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_a_structured_log_is_a_sentence(line: bytes, sentence: str) -> None:
    assert said(line) == f"{sentence}\n"


def test_json_has_the_line_as_it_came() -> None:
    record = Record(time(1), "one", "stdout", b'{"msg": "x"}', False)
    assert '"line": "{\\"msg\\": \\"x\\"}"' in as_line(record)


def test_at_a_terminal_names_have_colours_and_no_line_moves_the_cursor(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    for name, text in (("one", b"\x1b[2Jgone \x1b[31mred\x1b[0m"), ("two", b"plain")):
        (logs / f"{name}.log").write_bytes(time(1) + b" stdout F " + text + b"\n")
    env = {**os.environ, "LOGS_DIRECTORY": str(logs), "GLEITZEIT_SOCKET": str(tmp_path / "none")}
    words = [sys.executable, *MODULE, "logs"]
    for more, colour in (({}, True), ({"NO_COLOR": "1"}, False)):
        with terminal(words, {**env, **more}) as t:
            shown = t.until("two | plain")
            assert "one | ?[2Jgone red" in shown
            row = next(at for at, line in enumerate(t.lines) if line.startswith("two"))
            assert (t.colour(row, 0) != "default") is colour
            assert t.ended() == 0

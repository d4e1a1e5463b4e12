"""Reading logs: what a search and a time find, forwards and backwards, and where two sources meet."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gleitzeitctl.client import Client
from gleitzeitctl.complaint import Complaint
from gleitzeitctl.logs import shelf
from gleitzeitctl.logs.file import Tell
from gleitzeitctl.logs.grep import Search
from gleitzeitctl.logs.memory import Memory
from gleitzeitctl.logs.reading import Reading
from gleitzeitctl.logs.records import Record, Wanted, parse
from gleitzeitctl.logs.seam import Seam
from gleitzeitctl.logs.shown import Words, as_line
from gleitzeitctl.logs.times import stamp
from tests.ctl.conftest import MODULE, Ctl
from tests.ctl.fake_daemon import FakeDaemon, ndjson, reply
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


def line(second: int, text: bytes, stream: bytes = b"stdout") -> bytes:
    return b"%s %s F %s\n" % (time(second), stream, text)


def unexpected(sentence: str) -> None:
    raise AssertionError(sentence)


def forwards(directory: Path, wanted: Wanted, tell: Tell = unexpected) -> list[Record]:
    with shelf.opened(str(directory), ["one"], tell) as files:
        return list(shelf.forwards(files["one"], wanted))


def newest(directory: Path, wanted: Wanted, count: int, tell: Tell = unexpected) -> list[Record]:
    with shelf.opened(str(directory), ["one"], tell) as files:
        return shelf.newest(files, {"one": wanted}, count)


def is_expression(text: str) -> bool:
    try:
        Search.of(text)
    except re.error:
        return False
    return True


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
    grep = None if pattern is None else Search.of(pattern)
    wanted = Wanted(time(since) if since else b"", time(until) if until < 31 else b"", stream, grep)

    fitting = [record for record in everything if wanted.fits(record)]
    assert forwards(tmp_path, wanted) == fitting
    assert newest(tmp_path, wanted, count) == fitting[max(len(fitting) - count, 0) :]


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
    assert [record.line for record in forwards(tmp_path, Wanted())] == [b"whole"]
    assert [record.line for record in newest(tmp_path, Wanted(), 5)] == [b"whole"]
    assert parse("one", b"x") is None


def test_what_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(line(1, b"secret"))
    (tmp_path / "one.log").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "one.log.1")
    (tmp_path / "one.log.2").write_bytes(line(1, b"plain"))
    (tmp_path / "one.log.3.gz").write_bytes(gzip.compress(line(0, b"old"))[:-9])
    told: list[str] = []
    assert [record.line for record in newest(tmp_path, Wanted(), 5, told.append)] == [b"plain"]
    assert told == [
        f"cannot read {tmp_path}/one.log: it is a symbolic link",
        f"cannot read {tmp_path}/one.log.1: it is not a file",
        f"{tmp_path}/one.log.3.gz is damaged: it is read up to there",
    ]


def test_what_is_open_is_read_though_it_is_put_aside_and_compressed_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(line(2, b"new"))
    (tmp_path / "one.log.1").write_bytes(line(1, b"old"))
    with shelf.opened(str(tmp_path), ["one"], unexpected) as files:
        (tmp_path / "one.log.2.gz").write_bytes(gzip.compress((tmp_path / "one.log.1").read_bytes()))
        (tmp_path / "one.log").replace(tmp_path / "one.log.1")
        (tmp_path / "one.log").write_bytes(line(3, b"newest"))
        assert [record.line for record in shelf.forwards(files["one"], Wanted())] == [b"old", b"new"]


def test_what_is_there_compressed_as_well_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "one.log.2").write_bytes(line(1, b"old"))
    (tmp_path / "one.log.2.gz").write_bytes(gzip.compress(line(1, b"old")))
    assert [record.line for record in forwards(tmp_path, Wanted())] == [b"old"]


def test_files_that_are_renamed_while_they_are_opened_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one.log").write_bytes(line(2, b"new"))
    (tmp_path / "one.log.1").write_bytes(line(1, b"old"))
    really_open = shelf._open

    def rotating(path: str) -> int:
        if not (tmp_path / "one.log.2").exists():
            (tmp_path / "one.log.1").replace(tmp_path / "one.log.2")
            (tmp_path / "one.log").replace(tmp_path / "one.log.1")
            (tmp_path / "one.log").write_bytes(line(3, b"newest"))
        return really_open(path)

    monkeypatch.setattr(shelf, "_open", rotating)
    assert [record.line for record in forwards(tmp_path, Wanted())] == [b"old", b"new", b"newest"]


def test_a_file_that_is_emptied_while_it_is_read_just_ends(tmp_path: Path) -> None:
    path = tmp_path / "one.log"
    path.write_bytes(b"".join(line(1, b"%0200d" % number) for number in range(5000)))
    with shelf.opened(str(tmp_path), ["one"], unexpected) as files:
        records = shelf.forwards(files["one"], Wanted())
        assert next(records).line == b"%0200d" % 0
        path.write_bytes(b"")
        assert len(list(records)) < 5000
        assert shelf.newest(files, {"one": Wanted()}, 5) == []


def test_a_long_file_is_read_from_a_time_on_and_backwards_to_one(tmp_path: Path) -> None:
    """Some lines are longer than what is read at a time."""
    lines = [line(at // 40, b"%06d" % at + b"x" * (300_000 if at % 199 == 0 else 3000)) for at in range(2000)]
    (tmp_path / "one.log").write_bytes(b"".join(lines))
    numbers = [int(record.line[:6]) for record in forwards(tmp_path, Wanted(time(20), time(21)))]
    assert numbers == list(range(800, 840))
    numbers = [int(record.line[:6]) for record in newest(tmp_path, Wanted(until=time(21)), 45)]
    assert numbers == list(range(795, 840))
    assert len(newest(tmp_path, Wanted(), 5000)) == 2000
    with shelf.opened(str(tmp_path), ["one"], unexpected) as files:
        assert (files["one"][0].first_time(), shelf.last_time(files["one"])) == (time(0), time(49))


@settings(max_examples=300, deadline=None)
@given(
    pattern=st.text("abB()|[]^$.*+?{}12,\\d-: ", max_size=8).filter(is_expression),
    text=st.text("abB12 ,{}-", max_size=12),
)
def test_a_line_that_fits_has_a_needle_in_it(pattern: str, text: str) -> None:
    """`(?i)` before it included."""
    for given_pattern in (pattern, f"(?i){pattern}"):
        search = Search.of(given_pattern)
        raw = text.encode()
        if search.fits(raw) and search.needles:
            seen = raw.lower() if search.ignores_case else raw
            assert any(needle in seen for needle in search.needles)


@pytest.mark.parametrize(
    ("pattern", "needles"),
    [
        ("timeout", (b"timeout",)),
        (r"took \d+ms", (b"took ",)),
        (r"code=5\d\d|refused", (b"code=5", b"refused")),
        ("(?i)Timeout after", (b"timeout after",)),
        (r"a\.b\[c\]", (b"a.b[c]",)),
        ("colou?r", (b"colo",)),
        ("x{2,3}yes", (b"yes",)),
        ("(not )?found", (b"found",)),
        ("(no longer )?so", (b"so",)),
        (r"\d+", ()),
        ("a|.", ()),
        (r"\x41bc", ()),
        ("(?x) a b", ()),
        ("schön", ("schön".encode(),)),
    ],
)
def test_what_a_line_must_have_in_it(pattern: str, needles: tuple[bytes, ...]) -> None:
    assert Search.of(pattern).needles == needles


def test_a_record_of_a_clock_that_was_set_back_is_new_all_the_same() -> None:
    source = Seam().source()
    assert all(source.is_new(Record(time(second), "one", "stdout", b"", False)) for second in (9, 3, 3, 4))


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
        (b"\xff\xfe", "\udcff\udcfe"),
        (b'{"msg": "hi", "level": 30}', "hi level=30"),
        (b'{"msg": "x", "exc": "a\\nb"}', "x\n    a\n    b"),
    ],
)
def test_a_structured_log_is_a_sentence(line: bytes, sentence: str) -> None:
    assert said(line) == f"{sentence}\n"


def test_json_has_the_line_as_it_came() -> None:
    record = Record(time(1), "one", "stdout", b'{"msg": "x"}', False)
    assert '"line": "{\\"msg\\": \\"x\\"}"' in as_line(record)


def told(second: int, text: str) -> dict[str, Any]:
    return {
        "instance": "one",
        "time": time(second).decode(),
        "stream": "stdout",
        "line": text,
        "partial": False,
    }


def files_in(directory: Path) -> Any:
    return reply({"directory": str(directory), "instances": ["one"]})


def test_what_a_full_disk_did_not_take_is_shown(tmp_path: Path, daemon: FakeDaemon, ctl: Ctl) -> None:
    """The file has a notice in its place, and then what came after it."""
    notice = line(7, b"gleitzeit: 10 bytes were dropped here: No space left on device", b"stderr")
    (tmp_path / "one.log").write_bytes(line(3, b"three") + line(4, b"four") + notice + line(7, b"seven"))
    memory = ndjson(*(told(second, text) for second, text in ((4, "four"), (5, "five"), (7, "seven"))))
    for words in (["-n", "5"], ["--since", "2026-11-23T05:00:00Z"]):
        daemon.answers(files_in(tmp_path), memory)
        assert ctl("logs", "one", *words).stdout == "three\nfour\nfive\nseven\n"


def test_a_file_that_lags_is_waited_for(
    tmp_path: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.log"
    path.write_bytes(line(3, b"three"))
    monkeypatch.setattr(
        "gleitzeitctl.logs.reading.time.sleep",
        lambda _: path.write_bytes(line(3, b"three") + line(4, b"four") + line(5, b"five")),
    )
    daemon.answers(files_in(tmp_path), ndjson(told(5, "five")))
    found = Reading(Memory(Client(daemon.path), ["one"], ""), ["one"], Wanted(), None)
    found.find()
    assert [record.line for record in found.past()] == [b"three", b"four", b"five"]


def test_what_the_daemon_has_no_more_when_one_begins_to_follow_is_in_the_file(
    tmp_path: Path, daemon: FakeDaemon, ctl: Ctl
) -> None:
    later = {hour: b"2126-11-23T%02d:00:00.000000000Z" % hour for hour in (1, 2, 3)}
    text = b"".join(b"%s stdout F %d\n" % (time, hour) for hour, time in later.items())
    (tmp_path / "one.log").write_bytes(line(1, b"before") + text)
    last = told(0, "3") | {"time": later[3].decode()}
    daemon.answers(files_in(tmp_path), ndjson(), ndjson(last), daemon.hang)
    with ctl.started("logs", "-f", "one") as process:
        assert process.stdout
        shown = list(iter(process.stdout.readline, "3\n"))
        process.terminate()
    assert shown == ["before\n", "1\n", "2\n"]


def test_files_that_may_not_be_read_are_told_where_more_was_asked_for(
    tmp_path: Path, daemon: FakeDaemon, ctl: Ctl
) -> None:
    nowhere = tmp_path / "nowhere"
    for words, is_told in ((["-n", "1"], False), (["-n", "2"], True), (["--grep", "five"], True)):
        daemon.answers(files_in(nowhere), ndjson(told(5, "five")))
        done = ctl("logs", "one", *words)
        assert (done.returncode, done.stdout) == (0, "five\n")
        assert (
            f"{nowhere} cannot be read (No such file or directory): this is what" in done.stderr
        ) is is_told


def test_a_pipe_gets_the_bytes_that_came(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(line(1, b"\xff\x1b[2J\xe2\x82\xac"))
    places = {"LOGS_DIRECTORY": str(tmp_path), "GLEITZEIT_SOCKET": str(tmp_path / "none"), "LC_ALL": "C"}
    words = [sys.executable, *MODULE, "logs", "one"]
    done = subprocess.run(words, env={**os.environ, **places}, capture_output=True, check=True)
    assert done.stdout == b"\xff\x1b[2J\xe2\x82\xac\n"
    (told,) = done.stderr.splitlines()
    assert told.startswith(b"no daemon at ")


def test_at_a_narrow_terminal_a_long_name_leaves_room_for_the_line(tmp_path: Path) -> None:
    for name in ("x", "a-name-that-is-longer-than-half-of-the-terminal"):
        (tmp_path / f"{name}.log").write_bytes(line(1, b"said"))
    env = {**os.environ, "LOGS_DIRECTORY": str(tmp_path), "GLEITZEIT_SOCKET": str(tmp_path / "none")}
    with terminal([sys.executable, *MODULE, "logs"], env, columns=40) as t:
        shown = t.until(lambda text: text.count(" | said") == 2)
        assert "a-name-that-… | said" in shown
        assert "x             | said" in shown


def test_a_colour_that_is_left_on_ends_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(line(1, b"\x1b[31mred") + line(2, b"plain"))
    env = {**os.environ, "LOGS_DIRECTORY": str(tmp_path), "GLEITZEIT_SOCKET": str(tmp_path / "none")}
    with terminal([sys.executable, *MODULE, "logs", "one"], env, columns=200) as t:
        t.until("plain")
        rows = {text: row for row, text in enumerate(t.lines)}
        assert [t.colour(rows[text], 0) for text in ("red", "plain")] == ["red", "default"]


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

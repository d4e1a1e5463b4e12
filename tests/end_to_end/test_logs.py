"""What providers print, as the command line shows it: the last lines, and what comes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house import House, eventually, house

WIDE = 100
COUNT = 30_000
# Its first life only says that it is there: the flood comes when somebody follows.
FLOOD = f"if [ -e flooded ]; then seq -f %0{WIDE}.0f {COUNT}; echo over; else touch flooded; echo ready; fi"
COUNTS = "until [ -e go ]; do sleep 0.01; done; seq 20; printf unfinished"

PROVIDERS = {
    "talker": {
        "command": ["sh", "-c", "echo life $$; exec sleep 1000"],
        "start_seconds": 0,
    },
    "both": {"command": ["sh", "-c", f"echo wrong >&2; {COUNTS}; exec sleep 1000"], "start_seconds": 0},
    "flood": {"command": ["sh", "-c", FLOOD], "restart": {"policy": "never"}},
}


@pytest.fixture(scope="module")
def h(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("logs"), PROVIDERS) as h:
        h.until("talker", "RUNNING")
        # Two pipes have no order: the one must have been read before the other is written to.
        eventually(lambda: logs(h, "both") == ["wrong"])
        (h.root / "go").touch()
        eventually(lambda: logs(h, "both", "-n", "1") == ["20"])
        h.until("flood", "EXITED")
        yield h
        assert "Traceback" not in h.said()


class Following:
    """A `logs -f` that runs, and what it printed so far."""

    def __init__(self, process: subprocess.Popen[bytes], directory: Path) -> None:
        self.process = process
        self._directory = directory

    def printed(self, name: str = "out") -> str:
        return (self._directory / name).read_text()


@contextmanager
def following(h: House, directory: Path, *words: str) -> Iterator[Following]:
    with (directory / "out").open("wb") as out, (directory / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "gleitzeitctl", "logs", "-f", *words],
            env=h.environment,
            stdout=out,
            stderr=err,
        )
    try:
        yield Following(process, directory)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait()


def logs(h: House, *words: str) -> list[str]:
    answer = h.ctl("logs", *words)
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout.splitlines()


# The last lines.


def test_the_last_lines_of_one_are_shown_as_they_came(h: House) -> None:
    assert logs(h, "both", "-n", "3") == ["18", "19", "20"]
    assert logs(h, "both", "-n", "0") == []
    assert logs(h, "--provider", "both") == ["wrong", *(str(number) for number in range(1, 21))]


def test_the_lines_of_all_have_the_name_before_them(h: House) -> None:
    named = {tuple(map(str.strip, line.split("|"))) for line in logs(h)}

    assert {("talker", f"life {h.view('talker')['pid']}"), ("both", "20"), ("flood", "ready")} <= named


def test_only_what_went_to_stderr(h: House) -> None:
    assert logs(h, "both", "--stderr") == ["wrong"]


def test_the_last_lines_of_stderr_are_found_below_any_number_of_others(h: House) -> None:
    assert logs(h, "both", "--stderr", "-n", "1") == ["wrong"]


def test_a_line_of_json_for_each_that_was_printed(h: House) -> None:
    answer = h.ctl("logs", "both", "-n", "2", "--json")

    assert [json.loads(line)["line"] for line in answer.stdout.splitlines()] == ["19", "20"]


# What comes.


def test_who_follows_sees_the_next_life_as_well(h: House, tmp_path: Path) -> None:
    with following(h, tmp_path, "talker", "-n", "1") as follower:
        lives = [h.view("talker")["pid"]]
        eventually(lambda: follower.printed() == f"life {lives[0]}\n")

        os.kill(lives[0], signal.SIGKILL)
        lives.append(eventually(lambda: (pid := h.view("talker")["pid"]) not in (None, *lives) and pid))
        eventually(lambda: follower.printed().splitlines() == [f"life {pid}" for pid in lives])

        assert h.ctl("restart", "talker").returncode == 0
        lives.append(h.view("talker")["pid"])
        eventually(lambda: follower.printed().splitlines() == [f"life {pid}" for pid in lives])
        assert follower.process.poll() is None


def test_a_reader_that_stands_still_holds_nobody_up_and_is_told_what_it_missed(
    h: House, tmp_path: Path
) -> None:
    records = h.client.follow("/v1/logs", [("name", "flood"), ("n", 1), ("follow", 1)])
    with following(h, tmp_path, "flood", "-n", "1") as follower:
        assert next(records)["line"] == "ready"
        eventually(lambda: follower.printed() == "ready\n")
        follower.process.send_signal(signal.SIGSTOP)
        h.client.post("/v1/start", {"names": ["flood"], "wait": False})
        eventually(lambda: (view := h.view("flood"))["state"] == "EXITED" and view["generation"] == 2)
        # Nobody has read anything, and the provider is done and all of it is in its file.
        file = h.root / "logs" / "flood.log"
        eventually(lambda: file.read_bytes().count(b"\n") == 1 + COUNT + 1)

        # What the daemon had no room for is in the file.
        follower.process.send_signal(signal.SIGCONT)
        numbers = [f"{number:0{WIDE}}" for number in range(1, COUNT + 1)]
        eventually(lambda: follower.printed().endswith("over\n"))
        assert follower.printed().splitlines() == ["ready", *numbers, "over"]

        read = missed = 0
        while read + missed < COUNT * (WIDE + 1) + len("over\n"):
            record = next(records)
            if "missed" in record:
                assert set(record) == {"instance", "missed", "last"}
                assert set(record["last"]) == {"flood"}
                missed += record["missed"]
            else:
                assert record["instance"] == "flood"
                read += len(record["line"]) + 1
        assert read + missed == COUNT * (WIDE + 1) + len("over\n")
        assert read >= 1024 * 1024 // 3
        assert missed > 0


COUNTER = "i=0; while :; do i=$((i+1)); echo $$-$i; sleep 0.002; done"


def test_every_line_comes_once_over_rotations_and_the_death_of_the_daemon(tmp_path: Path) -> None:
    """Each life counts from 1, with its pid before the number."""
    often = {"size": "4KiB", "files": 100}
    providers = {"counter": {"command": ["sh", "-c", COUNTER], "start_seconds": 0, "logs": often}}
    with house(tmp_path, providers) as h, following(h, tmp_path, "counter", "-n", "100000") as follower:
        eventually(lambda: "-300\n" in follower.printed())
        h.daemon.kill()
        h.daemon.wait(20)
        eventually(lambda: "goes on when it is back" in follower.printed("err"))
        h.start()
        eventually(lambda: follower.printed().count("-300\n") == 2)
        shown = follower.printed().split("\n")[:-1]
        assert "the daemon is back" in follower.printed("err")

    lives = list(dict.fromkeys(line.partition("-")[0] for line in shown))
    assert len(lives) == 2
    for life in lives:
        numbers = [int(line.partition("-")[2]) for line in shown if line.startswith(f"{life}-")]
        # the oldest files may have been rotated away; what is shown has no gap and nothing twice
        assert numbers == list(range(numbers[0], numbers[-1] + 1))


def test_what_a_reload_adds_is_followed_from_its_first_line(tmp_path: Path) -> None:
    talker = PROVIDERS["talker"]
    with house(tmp_path, {"talker": talker}) as h, following(h, tmp_path) as follower:
        eventually(lambda: "talker | life " in follower.printed())
        config = json.loads(h.config.read_text())
        says = ["sh", "-c", "echo here; exec sleep 1000"]
        config["providers"]["newcomer"] = {"command": says, "start_seconds": 0}
        h.config.write_text(json.dumps(config))
        eventually(lambda: "newcomer | here\n" in follower.printed())


def test_last_words_come_while_the_daemon_is_down_and_the_next_life_goes_on_after_them(
    tmp_path: Path,
) -> None:
    says = "exec 2>&-; trap 'echo bye; exit' TERM; echo here; while :; do sleep 0.01; done"
    providers = {"polite": {"command": ["sh", "-c", says], "start_seconds": 0}}
    with house(tmp_path, providers) as h:
        eventually(lambda: logs(h, "polite") == ["here"])
        with following(h, tmp_path, "polite") as follower:
            eventually(lambda: follower.printed() == "here\n")
            h.stop()
            eventually(lambda: follower.printed() == "here\nbye\n")
            eventually(lambda: "the daemon has ended: this goes on" in follower.printed("err"))
        # one that begins without a daemon waits for it as well
        with following(h, tmp_path, "polite", "-n", "1") as follower:
            eventually(lambda: follower.printed() == "bye\n")
            h.start()
            eventually(lambda: follower.printed() == "bye\nhere\n")


def test_without_a_daemon_the_files_are_read(tmp_path: Path) -> None:
    with house(tmp_path, {"both": PROVIDERS["both"], "talker": PROVIDERS["talker"]}) as h:
        (h.root / "go").touch()
        eventually(lambda: logs(h, "both", "-n", "1") == ["20"])
        h.stop()
        read = h.ctl("logs", "both", "-n", "2")
        assert (read.returncode, read.stdout) == (0, "20\nunfinished\n")
        assert "no daemon at" in read.stderr
        assert f"these are the files in {tmp_path}/logs" in read.stderr
        unknown = h.ctl("logs", "nobody")
        assert unknown.returncode == 4
        assert "there are logs of both, talker" in unknown.stderr


def test_several_are_named_by_a_pattern_or_one_by_one(h: House) -> None:
    both = {line.partition(" | ")[0].strip() for line in logs(h, "ta*", "both")}
    assert both == {"talker", "both"}
    assert h.ctl("logs", "x*").returncode == 4


def test_lines_are_found_by_what_they_have_in_them_and_by_their_time(h: House) -> None:
    assert logs(h, "both", "--grep", "^1[0-2]$") == ["10", "11", "12"]
    assert logs(h, "both", "--grep", "wron") == ["wrong"]
    assert logs(h, "both", "--since", "1h", "--grep", "wrong") == ["wrong"]
    assert logs(h, "both", "--until", "1h") == []
    (line,) = logs(h, "both", "--grep", "wrong", "-t")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} wrong", line)
    for words in (["--grep", "("], ["--since", "soon"], ["-f", "--until", "1m"]):
        refused = h.ctl("logs", "both", *words)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1

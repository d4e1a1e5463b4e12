"""start, stop, restart and reload at a terminal: what is waited for, and why it is in vain."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gleitzeit_extensions.protocol import CallError
from gleitzeit_extensions.version import VERSION
from gleitzeitctl import client as client_module
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import Complaint
from tests.house import House, house
from tests.terminal import CTRL_C, terminal

SLEEPS = {"command": ["sh", "-c", "exec sleep 1000"], "start_seconds": 0}
CLOSED = {"kind": "tcp", "port": 1}
ONCE = "if [ -e there ]; then echo not >&2; echo again >&2; exit 3; fi; touch there; exec sleep 1000"
PROVIDERS = {
    "calc": SLEEPS,
    "calm": SLEEPS,
    "renewed": {"command": ["sh", "-c", "exec sleep 1001"], "start_seconds": 0.5},
    "slow": {
        "command": ["sh", "-c", "echo loading as $$ >&2; exec sleep 1000"],
        "ready": CLOSED,
        "start_timeout": 600,
    },
    "breaks": {"command": ["sh", "-c", "echo one >&2; echo two >&2; exit 3"], "max_retry_attempts": 1},
    "once": {"command": ["sh", "-c", ONCE], "start_seconds": 0.3, "max_retry_attempts": 1},
    "missing": {"command": ["no-such-program"]},
    "unknown": {"command": ["sh", "-c", "no-such-command"]},
    "stubborn": {
        "command": ["sh", "-c", 'trap "" TERM; echo up >&2; while :; do sleep 1000; done'],
        "start_seconds": 0,
        "stop": {"timeout": "1h"},
    },
}


@pytest.fixture(scope="module")
def h(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("steering"), PROVIDERS) as h:
        for name in ("calc", "calm"):
            h.until(name, "RUNNING")
        h.until("breaks", "FATAL")
        yield h
        # a second stop hurries, as nobody else may have
        for _ in range(2):
            h.client.post("/v1/stop", {"names": ["stubborn"], "wait": False})


def ctl(*words: str) -> list[str]:
    return [sys.executable, "-m", "gleitzeitctl", *words]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("breaks", ["it is FATAL: gave up after", "  | one", "  | two"]),
        ("missing", ['there is no program "no-such-program": see "gleitzeitctl why missing"']),
        ("unknown", ["it is FATAL: exited with 127: sh: 1: no-such-command: not found: see"]),
    ],
)
def test_what_cannot_come_up_shows_why_at_once(h: House, name: str, said: list[str]) -> None:
    done = h.ctl("start", name)

    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert len(lines) == len(said)
    assert all(words in line for words, line in zip(said, lines, strict=True))


def test_what_is_not_up_in_time_says_what_it_waits_for_and_what_it_wrote(h: House) -> None:
    done = h.ctl("restart", "slow", "--timeout", "0.5")

    first, comes_next, *evidence = done.stderr.splitlines()
    assert done.returncode == 7
    assert 'could not restart "slow" within 0.5 s: it is STARTING: connect to 127.0.0.1:1: ' in first
    assert comes_next.endswith("to become ready, else it is ended and counted as a failure.")
    # and not what its earlier lives wrote
    assert evidence == [f"  | loading as {h.view('slow')['pid']}"]


def test_a_rolling_restart_that_fails_shows_what_the_new_life_wrote(h: House) -> None:
    h.until("once", "RUNNING")
    done = h.ctl("restart", "once", "--rolling")

    first, *evidence = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert first.startswith('gleitzeitctl: could not restart "once": it is ')
    assert ": the new life failed: exited with 3: again: see" in first
    assert evidence == ["  | not", "  | again"]


def test_who_does_not_wait_is_told_what_it_changed_at_once(h: House) -> None:
    done = h.ctl("start", "slow", "cal*", "--no-wait")

    states = [line.split()[:2] for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert states == [["slow", "STARTING"], ["calc", "RUNNING"], ["calm", "RUNNING"]]


def test_a_pattern_is_steered_and_one_for_nobody_does_nothing(h: House) -> None:
    before = h.view("calc")["pid"]

    nobody = h.ctl("restart", "cal*", "kalk*")
    assert (nobody.returncode, nobody.stdout) == (4, "")
    assert 'no provider like "kalk*": it runs calc, calm,' in nobody.stderr
    assert h.view("calc")["pid"] == before

    done = h.ctl("restart", "cal*")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["calc", "calm"]
    assert h.view("calc")["pid"] != before


@pytest.mark.parametrize("columns", [40, 120])
def test_whoever_waits_at_a_terminal_sees_what_for_and_nothing_is_left_of_it(h: House, columns: int) -> None:
    with terminal(ctl("start", "slow", "calc", "--timeout", "1.8"), h.environment, columns=columns) as seen:
        line = seen.until("1 of 2 are RUNNING; waiting for slow")
        if columns >= 100:
            assert "waiting for slow: STARTING for " in line
            assert line.endswith("(connect to 127.0.0.1:1: Connection refused)")
        assert len(line.splitlines()) == 1
        assert seen.ended() == 7
        assert "waiting for" not in seen.text
        assert seen.lines[0].startswith("calc  RUNNING  pid ")


def test_nothing_is_shown_meanwhile_where_it_is_no_terminal_or_json_is_wanted(h: House) -> None:
    done = h.ctl("start", "slow", "--timeout", "1.1")
    assert "waiting for" not in done.stderr

    with terminal(ctl("start", "slow", "--timeout", "1.1", "--json"), h.environment) as seen:
        assert seen.ended() == 7
        assert b"waiting for" not in seen.drawn


def test_ctrl_c_at_a_terminal_clears_the_line_and_says_that_the_daemon_goes_on(h: House) -> None:
    with terminal(ctl("restart", "slow"), h.environment) as seen:
        seen.until("waiting for slow: STARTING")
        seen.press(CTRL_C)

        assert seen.ended() == 130
        said = 'gleitzeitctl: the daemon goes on with what it has begun: see "gleitzeitctl status"'
        assert seen.text.replace("\n", "") == said
    assert h.view("slow")["state"] == "STARTING"


def test_a_stop_that_is_too_slow_says_what_it_waits_for(h: House) -> None:
    h.until("stubborn", "RUNNING")
    done = h.ctl("stop", "stubborn", "--timeout", "0.2")
    # a second stop hurries
    h.client.post("/v1/stop", {"names": ["stubborn"]})

    first, comes_next = done.stderr.splitlines()
    assert done.returncode == 7
    assert 'could not stop "stubborn" within 0.2 s: it is STOPPING: stop was asked for: see' in first
    assert comes_next.startswith("  It was asked to end and is killed in 3")


def test_a_reload_at_a_terminal_shows_who_is_changed_and_what_failed_with_its_last_lines(
    h: House, tmp_path: Path
) -> None:
    was = h.config.read_text()
    allowed = tmp_path / "allowed"
    script = f"echo reading >&2; until [ -e '{allowed}' ]; do sleep 0.05; done; echo no key >&2; exit 4"
    h.config.write_text(
        was.replace("exec sleep 1001", script).replace('"start_seconds": 0.5', '"start_seconds": 50')
    )
    try:
        with terminal(ctl("reload"), h.environment) as seen:
            seen.until("waiting for renewed: ")
            allowed.touch()
            assert seen.ended() == 1
            assert 'could not change "renewed": exited with 4: no key' in seen.text.replace("\n", "")
            assert "waiting for" not in seen.text
            assert [line for line in seen.lines if line.startswith("  |")] == ["  | reading", "  | no key"]
    finally:
        h.config.write_text(was)
        h.ctl("reload")


def test_a_daemon_that_is_frozen_is_told_as_such_by_every_kind_of_question(
    h: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = 0.2
    for name in ("PATIENCE", "SILENCE", "SHOW_EVERY"):
        monkeypatch.setattr(client_module, name, soon)
    h.daemon.send_signal(signal.SIGSTOP)

    def look() -> None:
        h.client.get("/v1/status", patience=soon)

    questions: list[Callable[[], object]] = [
        look,
        lambda: h.client.wait("/v1/start", {"names": ["calc"]}, 600),
        lambda: h.client.wait("/v1/start", {"names": ["calc"]}, 600, look),
        lambda: h.client.post("/v1/invoke", {}, None),
        lambda: list(h.client.follow("/v1/logs", [("follow", 1)])),
    ]
    try:
        for question in questions:
            with pytest.raises(Complaint, match=r"did not answer within 0\.2 s: it hangs") as caught:
                question()
            assert caught.value.exit == 7
    finally:
        h.daemon.send_signal(signal.SIGCONT)


def test_a_daemon_that_is_killed_while_one_waits_is_told_as_such(tmp_path: Path) -> None:
    with house(tmp_path, {"slow": PROVIDERS["slow"]}) as h:
        with terminal(ctl("start", "slow"), h.environment, columns=200) as seen:
            seen.until("waiting for slow")
            h.daemon.kill()

            assert seen.ended() == 3
            assert f"the daemon at {h.socket} ended before it had answered: look into its log" in seen.text
            assert "waiting for" not in seen.text
        h.daemon.wait(20)


@pytest.mark.parametrize("target", ["/v1/status", "/v1/nothing", "/v1/logs"])
def test_every_answer_says_what_it_comes_from(h: House, target: str) -> None:
    asking = Client(str(h.socket))
    with suppress(CallError):
        list(asking.follow(target))

    assert asking.server == f"gleitzeitd/{VERSION}"

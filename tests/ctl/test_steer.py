"""What `start`, `stop` and `restart` say of what could not be, and of a daemon that is not well."""

from __future__ import annotations

import json
import os
import signal
import socket
from typing import Any

import pytest

from gleitzeit_extensions.version import VERSION
from gleitzeitctl import client as client_module
from gleitzeitctl.client import Client
from gleitzeitctl.complaint import Complaint
from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, Request, ndjson, reply, says
from tests.ctl.test_commands import HEEDS_SIGINT

SOON = 0.05
FATAL: dict[str, Any] = {
    "name": "b",
    "ok": False,
    "state": "FATAL",
    "pid": None,
    "reason": "exited with 1: no key",
}


def failed(**more: Any) -> Any:
    return reply({"results": [FATAL | more]})


def test_a_failure_shows_the_last_lines_it_wrote(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(failed(evidence=["Traceback:", '  File "x"', "no key\x1b[2J"]))

    done = ctl("start", "b")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        'gleitzeitctl: could not start "b": it is FATAL: exited with 1: no key: see "gleitzeitctl why b"',
        "  | Traceback:",
        '  |   File "x"',
        "  | no key?[2J",
    ]


def test_a_line_that_the_reason_has_told_is_not_told_again(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(failed(evidence=["no key"]))

    assert len(ctl("start", "b").stderr.splitlines()) == 1


def test_what_is_too_slow_says_how_long_and_what_comes_next(daemon: FakeDaemon, ctl: Ctl) -> None:
    late = {"state": "STARTING", "reason": "connection refused", "code": "deadline_exceeded"}
    daemon.answers(failed(**late, next="It has 9.0 s to become ready.", evidence=["loading"]))

    done = ctl("restart", "b", "--timeout", "2.5")

    assert done.returncode == 7
    assert done.stderr.splitlines() == [
        'gleitzeitctl: could not restart "b" within 2.5 s: it is STARTING: connection refused: '
        'see "gleitzeitctl why b"',
        "  It has 9.0 s to become ready.",
        "  | loading",
    ]


def test_results_stand_in_columns(daemon: FakeDaemon, ctl: Ctl) -> None:
    ran = {"ok": True, "state": "RUNNING", "pid": 7, "reason": ""}
    ended = {"name": "long-name", "ok": True, "state": "EXITED", "pid": None, "reason": ""}
    daemon.answers(reply({"results": [ran | {"name": "a#1"}, FATAL, ended, ran | {"name": "c"}]}))

    assert ctl("start", "all").stdout.splitlines() == [
        "a#1        RUNNING  pid 7",
        "long-name  EXITED",
        "c          RUNNING  pid 7",
    ]


def test_a_failed_change_shows_the_last_lines_as_well(daemon: FakeDaemon, ctl: Ctl) -> None:
    result = {"name": "a", "action": "restart", "done": True, "ok": False, "undone": True}
    result |= {"reason": "exited with 1: no key", "evidence": ["reading", "no key"]}
    answer = {"config": "/p.yaml", "changed": False, "refused": False, "problems": [], "plan": None}
    daemon.answers(reply(answer | {"results": [result]}))

    done = ctl("reload")

    assert (done.returncode, done.stdout) == (
        1,
        "the file was taken over when it was saved, with changes of a\n",
    )
    assert done.stderr.splitlines()[1:] == ["  | reading", "  | no key"]


@pytest.mark.parametrize("words", [("start", "a"), ("reload",)])
def test_ctrl_c_while_waiting_says_that_the_daemon_goes_on(
    daemon: FakeDaemon, ctl: Ctl, words: tuple[str, ...]
) -> None:
    daemon.answers(daemon.watch_the_caller_leave)

    with ctl.started(*words, run=("-c", HEEDS_SIGINT)) as process:
        assert daemon.was_asked.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out) == (130, "")
    assert err == ('gleitzeitctl: the daemon goes on with what it has begun: see "gleitzeitctl status"\n')


# A daemon that is not well.


def test_while_it_waits_it_looks_each_time_that_nothing_was_heard(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SHOW_EVERY", SOON)
    looks: list[int] = []

    def after_three_looks(connection: socket.socket) -> None:
        while len(looks) < 3 and not daemon.is_over.is_set():
            daemon.is_over.wait(0.001)
        reply({"results": []})(connection)

    daemon.answers(after_three_looks)

    answer = Client(daemon.path).wait("/v1/start", {"names": ["a"]}, 60, lambda: looks.append(1))

    assert (answer, len(daemon.requests)) == ({"results": []}, 1)


def test_a_daemon_that_answers_all_but_what_is_waited_for_is_not_waited_for(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "GRACE", SOON)
    monkeypatch.setattr(client_module, "SHOW_EVERY", SOON)
    daemon.answers(daemon.hang)

    with pytest.raises(Complaint, match=r"did not answer within 0\.1 s: it hangs") as caught:
        Client(daemon.path).wait("/v1/start", {"names": ["a"]}, 0.05, lambda: None)
    assert caught.value.exit == 7


def test_a_daemon_that_hangs_is_not_waited_for_until_the_end(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SILENCE", SOON)
    monkeypatch.setattr(client_module, "PATIENCE", SOON)
    daemon.answers(daemon.hang)

    with pytest.raises(Complaint, match="did not answer within"):
        Client(daemon.path).wait("/v1/start", {"names": ["a"]}, 600)
    assert daemon.requests[1:] == [Request("GET", "/livez")]


@pytest.mark.parametrize(
    ("answer", "when"),
    [
        (b"", "before it had answered"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "in the middle of its answer"),
    ],
)
def test_a_daemon_that_ends_meanwhile_is_told_as_such(
    daemon: FakeDaemon, ctl: Ctl, answer: bytes, when: str
) -> None:
    def die(connection: socket.socket) -> None:
        os.unlink(daemon.path)
        says(answer)(connection)

    daemon.answers(die)
    done = ctl("start", "a")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(
        f"gleitzeitctl: the daemon at {daemon.path} ended {when}: look into its log"
    )


# Versions that differ.


def of_version(version: str, value: object, status: int = 200) -> Any:
    body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} Said\r\nServer: gleitzeitd/{version}\r\nContent-Length: {len(body)}\r\n\r\n"
    return says(head.encode() + body)


UNKNOWN = {"error": {"code": "invalid_request", "message": "GET /v1/why: Not Found"}}
DIFFERS = f"the daemon is 0.0.1 and this is {VERSION}: restart the daemon, or upgrade what is older\n"


def test_what_an_older_daemon_does_not_know_names_both_versions(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(of_version("0.0.1", UNKNOWN, 404))

    done = ctl("why", "a")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"gleitzeitctl: GET /v1/why: Not Found: {DIFFERS}"


def test_an_answer_that_is_not_understood_names_both_versions(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(of_version("0.0.1", {"not": "a status"}))

    done = ctl("status")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"'daemon'): {DIFFERS}")
    assert done.stderr.startswith("gleitzeitctl: what the daemon answered is not understood (KeyError: ")


def test_a_daemon_of_the_same_version_is_never_at_fault_for_its_age(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(of_version(VERSION, UNKNOWN, 404))

    assert ctl("why", "a").stderr == "gleitzeitctl: GET /v1/why: Not Found\n"


def test_an_older_daemon_that_is_understood_is_not_spoken_of(daemon: FakeDaemon, ctl: Ctl) -> None:
    missing = {"error": {"code": "not_found.provider", "message": "there is no provider"}}
    daemon.answers(of_version("0.0.1", missing, 404), of_version("0.0.1", {"results": []}))

    assert ctl("why", "a").stderr == "gleitzeitctl: there is no provider\n"
    assert ctl("start", "all").stderr == ""


# Where nobody reads, or what is said cannot be written.


@pytest.mark.parametrize(
    ("words", "exit"),
    [
        ("start a >&- 2>&- <&-", 1),
        ("start a 2>/dev/full", 1),
        ("start a 2>&-", 1),
        ("--nonsense 2>/dev/full", 2),
    ],
)
def test_what_cannot_be_told_leaves_the_exit_status(
    daemon: FakeDaemon, ctl: Ctl, words: str, exit: int
) -> None:
    daemon.answers(failed())
    shell = "import os, shlex, sys; words = f'{shlex.quote(sys.executable)} -m {sys.argv[1]}'; "
    shell += "os.execv('/bin/sh', ['sh', '-c', words])"

    done = ctl.alone(f"gleitzeitctl {words}", run=("-c", shell))

    assert (done.returncode, done.stdout, done.stderr) == (exit, "", "")


def test_what_a_plain_locale_cannot_show_is_escaped(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(failed(name="größer", evidence=["ö", "ü"]))
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}

    done = ctl.alone("start", "größer", env=plain)

    assert done.returncode == 1
    assert 'could not start "gr\\xf6\\xdfer"' in done.stderr
    assert done.stderr.endswith("  | \\xf6\n  | \\xfc\n")


def test_a_stream_that_breaks_off_is_told_as_such(daemon: FakeDaemon) -> None:
    daemon.answers(ndjson({"line": "up"}, end=b""))
    records = Client(daemon.path).follow("/v1/logs")

    assert next(records) == {"line": "up"}
    with pytest.raises(Complaint, match="closed the connection in the middle of its answer"):
        next(records)

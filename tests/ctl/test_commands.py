"""Every command as a process against a fake daemon: what it asks, what it prints where, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CODES
from gleitzeit_extensions.version import VERSION as OURS
from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, Request, ndjson, refusal, reply
from tests.warm import ROOT

CALCULATOR = {
    "name": "calculator",
    "provider": "calculator",
    "type": "tool",
    "kind": "class",
    "state": "RUNNING",
    "ready": True,
    "pid": 4711,
    "uptime": 192.4,
    "restarts": 0,
    "generation": 1,
    "in_flight": 2,
    "cpu": 0.034,
    "memory": 43_000_000,
    "health": "healthy",
    "reason": "",
    "next_in": None,
    "dropped_output": 0,
    "beside": [],
}
OPENAI = CALCULATOR | {
    "name": "openai",
    "state": "BACKOFF",
    "ready": False,
    "pid": None,
    "uptime": None,
    "restarts": 7,
    "in_flight": 0,
    "cpu": None,
    "memory": None,
    "health": None,
    "reason": "exited with 1",
    "next_in": 4.2,
}
VERSION = {"version": "9.9.9", "proto": 1, "python": "3.11.2", "pid": 1}


def status_of(*instances: dict[str, Any], state: str = "running") -> dict[str, Any]:
    daemon: dict[str, Any] = {"state": state, "config": "/etc/p.yaml", "problems": [], "failures": []}
    daemon |= {"after_daemon_restart": [], "changing": [], "refused": False, "not_kept": ""}
    return {"daemon": daemon, "instances": list(instances)}


def test_status_shows_all_and_ends_well_when_the_daemon_answers(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(CALCULATOR, OPENAI)))

    done = ctl("status")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "NAME        STATE    HEALTH   PID   UPTIME  RESTARTS  CPU   MEMORY  CALLS  WHY",
        "calculator  RUNNING  healthy  4711  3m 12s  0         3.4%  41 MiB  2",
        "openai      BACKOFF  -        -     -       7         -     -       0      "
        "exited with 1; next attempt in 4s",
    ]
    assert daemon.requests == [Request("GET", "/v1/status")]


def test_status_has_no_why_when_all_is_well(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(CALCULATOR)))

    assert ctl("status").stdout.splitlines()[0].split()[-1] == "CALLS"


@pytest.mark.parametrize(
    ("names", "instances", "asked", "exit"),
    [
        (["calculator"], [CALCULATOR], "?name=calculator", 0),
        (["calculator", "openai"], [CALCULATOR, OPENAI], "?name=calculator&name=openai", 1),
        (["all"], [CALCULATOR, OPENAI], "", 1),
        (["all"], [CALCULATOR], "", 0),
        (["all"], [], "", 1),
    ],
)
def test_status_of_names_is_a_check(
    daemon: FakeDaemon, ctl: Ctl, names: list[str], instances: list[Any], asked: str, exit: int
) -> None:
    daemon.answers(reply(status_of(*instances)))

    assert ctl("status", *names).returncode == exit
    assert daemon.requests == [Request("GET", f"/v1/status{asked}")]


def test_status_of_an_unknown_name(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(refusal("not_found.provider", 'there is no provider "calculater"', 404))

    done = ctl("status", "calculater")

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == 'gleitzeitctl: there is no provider "calculater"\n'


def test_what_is_not_the_result_goes_to_stderr(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(state="stopping")))

    done = ctl("status")

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "the daemon is stopping\nthere is no provider yet: add one to /etc/p.yaml\n"


def test_json_is_the_answer_of_the_api_before_and_after_the_command(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(OPENAI)))

    before, after = ctl("--json", "status", "openai"), ctl("status", "openai", "--json")

    assert json.loads(before.stdout) == status_of(OPENAI)
    assert (before.stdout, before.returncode) == (after.stdout, after.returncode)
    assert before.returncode == 1


def test_the_socket_is_taken_before_and_after_the_command(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"providers": []}))

    for words in (
        ["--socket", daemon.path, "providers", "list"],
        ["providers", "--socket", daemon.path, "list"],
        ["--socket", "/nowhere", "providers", "list", "--socket", daemon.path],
    ):
        assert ctl(*words, env={"GLEITZEIT_SOCKET": "/nowhere"}).returncode == 0


@pytest.mark.parametrize("verb", ["start", "stop", "restart"])
def test_start_stop_and_restart_say_what_became_true(daemon: FakeDaemon, ctl: Ctl, verb: str) -> None:
    ran = {"name": "a", "ok": True, "state": "RUNNING", "pid": 7, "reason": ""}
    ended = {"name": "b", "ok": True, "state": "STOPPED", "pid": None, "reason": ""}
    daemon.answers(reply({"results": [ran, ended]}))

    done = ctl(verb, "a", "b", "--timeout", "9.5", "--no-wait")

    assert (done.returncode, done.stdout, done.stderr) == (0, "a  RUNNING  pid 7\nb  STOPPED\n", "")
    assert daemon.requests == [
        Request("POST", f"/v1/{verb}", {"names": ["a", "b"], "wait": False, "timeout": 9.5})
    ]


def test_start_waits_a_minute_unless_told_otherwise(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"results": []}))

    assert ctl("start", "all").returncode == 0
    assert daemon.requests == [Request("POST", "/v1/start", {"names": ["all"], "wait": True, "timeout": 60})]


def test_a_start_that_fails_tells_why_on_stderr(daemon: FakeDaemon, ctl: Ctl) -> None:
    ok = {"name": "a", "ok": True, "state": "RUNNING", "pid": 7, "reason": ""}
    bad = {"name": "b", "ok": False, "state": "FATAL", "pid": None, "reason": "no module named foo"}
    daemon.answers(reply({"results": [ok, bad]}))

    done = ctl("start", "a", "b")

    assert (done.returncode, done.stdout) == (1, "a  RUNNING  pid 7\n")
    assert done.stderr == (
        'gleitzeitctl: could not start "b": it is FATAL: no module named foo: see "gleitzeitctl why b"\n'
    )


@pytest.mark.parametrize(
    ("codes", "exit"),
    [(["deadline_exceeded"], 7), (["deadline_exceeded", None], 1), ([None], 1), (["brand_new"], 1)],
)
def test_a_start_that_is_too_slow_ends_as_a_timeout(
    daemon: FakeDaemon, ctl: Ctl, codes: list[str | None], exit: int
) -> None:
    late = {"name": "a", "ok": False, "state": "STARTING", "pid": 7, "reason": "not ready yet"}
    daemon.answers(reply({"results": [late | ({"code": code} if code else {}) for code in codes]}))

    assert ctl("start", "a").returncode == exit


def line(text: str, instance: str = "a", stream: str = "stdout", partial: bool = False) -> dict[str, Any]:
    time = "2026-11-23T05:00:00.000000000Z"
    return {"instance": instance, "time": time, "stream": stream, "line": text, "partial": partial}


def without_files(*names: str) -> Any:
    """Whose output is meant, where no file has any of it: the daemon has to say it all."""
    return reply({"directory": "/proc/self/ns", "instances": list(names)})


def test_logs_of_one_are_the_lines_as_they_came(daemon: FakeDaemon, ctl: Ctl) -> None:
    said = ndjson(line("half a ", partial=True), line("line"), line("oh", stream="stderr"))

    for args in (["a", "-n", "5"], ["--provider", "a", "--lines", "5"], ["a", "--provider", "a", "-n", "5"]):
        daemon.answers(without_files("a"), said)
        done = ctl("logs", *args)
        assert (done.returncode, done.stdout, done.stderr) == (0, "half a line\noh\n", "")
    assert set(daemon.requests) == {
        Request("GET", "/v1/logs/files?name=a"),
        Request("GET", "/v1/logs?name=a&n=5"),
    }


def test_logs_of_several_have_the_name_before_each_line(daemon: FakeDaemon, ctl: Ctl) -> None:
    last = line("three", "calc") | {"time": "2026-11-23T05:00:01.000000000Z"}
    said = ndjson(line("one", "calc"), line("two ", "b", partial=True), last)
    daemon.answers(without_files("calc", "b"), said)

    assert ctl("logs").stdout == "calc | one\nb    | two \ncalc | three\n"
    assert daemon.requests[1] == Request("GET", "/v1/logs?name=all&n=100")


def test_who_follows_is_told_what_is_missing_where_no_file_has_it(daemon: FakeDaemon, ctl: Ctl) -> None:
    time = "2126-11-23T05:00:00.000000000Z"
    missed = {"instance": None, "missed": 77, "last": {"a": time}}
    said = ndjson(line("one") | {"time": time}, missed, line("two") | {"time": time})
    daemon.answers(without_files("a"), ndjson(), said, daemon.hang)
    with ctl.started("logs", "-f", "a") as process:
        assert process.stdout
        assert process.stderr
        assert [process.stdout.readline() for _ in range(2)] == ["one\n", "two\n"]
        assert process.stderr.readline() == "of 77 bytes that came too fast the files do not have all\n"
        process.terminate()


def test_logs_can_be_of_stderr_only(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(without_files("a"), ndjson(line("not fine", stream="stderr")))

    assert ctl("logs", "--stderr", "-n", "1").stdout == "a | not fine\n"
    assert daemon.requests[1] == Request("GET", "/v1/logs?name=all&stream=stderr&n=1")


def test_logs_as_json_are_the_records(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(without_files("a"), ndjson(line("é")))

    done = ctl("logs", "--json")

    assert [json.loads(record) for record in done.stdout.splitlines()] == [line("é")]


def test_providers_list_shows_what_they_offer(daemon: FakeDaemon, ctl: Ctl) -> None:
    one = {"name": "calc", "type": "tool", "kind": "class", "state": "RUNNING", "ready": True}
    offers = {"description": "Sums\nand so on", "models": ["gpt-4", "o3"], "capabilities": [], "instances": 2}
    methods = [{"name": "add", "description": ""}, {"name": "sin", "description": ""}]
    daemon.answers(reply({"providers": [one | offers | {"methods": methods}]}))

    assert ctl("providers", "list").stdout.splitlines() == [
        "NAME  TYPE  KIND   STATE    INSTANCES  MODELS    METHODS  DESCRIPTION",
        "calc  tool  class  RUNNING  2          gpt-4 +1  2        Sums and so on",
    ]


def test_providers_list_takes_names_and_patterns(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"providers": []}))

    ctl("providers", "list", "calc*", "gpt-4")
    ctl("providers", "list", "all")

    assert [request.target for request in daemon.requests] == [
        "/v1/providers?name=calc%2A&name=gpt-4",
        "/v1/providers",
    ]


def test_no_provider_is_said_where_it_disturbs_nobody(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"providers": []}))

    done = ctl("providers", "list")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "there is no provider yet\n")


@pytest.mark.parametrize(
    ("result", "printed"),
    [
        ("plain words", "plain words"),
        (8, "8"),
        (None, "null"),
        ({"result": "é"}, '{\n  "result": "é"\n}'),
        ("\ud800", "\\ud800"),
    ],
)
def test_invoke_prints_the_result(daemon: FakeDaemon, ctl: Ctl, result: Any, printed: str) -> None:
    daemon.answers(reply({"result": result}))

    done = ctl("providers", "invoke", "calculator", "add", "--args", '{"a": 5}')

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{printed}\n", "")
    assert daemon.requests == [
        Request("POST", "/v1/invoke", {"target": "calculator", "method": "add", "args": {"a": 5}})
    ]


def test_invoke_passes_on_what_it_was_told(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"result": [1]}))

    done = ctl("providers", "invoke", "a", "m", "--timeout", "2.5", "--idempotent", "--json")

    assert done.stdout == '{"result": [1]}\n'
    asked = {"target": "a", "method": "m", "args": {}, "timeout": 2.5, "idempotent": True}
    assert daemon.requests[0].body == asked


@pytest.mark.parametrize("verb", ["invoke", "stream"])
def test_a_call_may_have_a_key_and_belong_to_a_session(daemon: FakeDaemon, ctl: Ctl, verb: str) -> None:
    daemon.answers(reply({"result": 1}) if verb == "invoke" else ndjson({"end": {"frames": 0}}))

    done = ctl("providers", verb, "gpt-4", "m", "--idempotency-key", "order-17", "--session", "ada")

    asked = {"target": "gpt-4", "method": "m", "args": {}, "key": "order-17", "session": "ada"}
    assert (done.returncode, done.stderr) == (0, "")
    assert daemon.requests == [Request("POST", f"/v1/{verb}", asked)]


def test_a_call_of_nobody_is_a_mistake_of_the_caller(daemon: FakeDaemon, ctl: Ctl) -> None:
    done = ctl("providers", "invoke", "", "m")

    assert (done.returncode, daemon.requests) == (2, [])
    assert done.stderr == "gleitzeitctl: the name of whom to call is missing\n"


@pytest.mark.parametrize("given", ["[5, 3]", "a=5", '{"a": NaN}', "[" * 100_000])
def test_arguments_that_are_no_object_are_a_mistake_of_the_caller(
    daemon: FakeDaemon, ctl: Ctl, given: str
) -> None:
    done = ctl("providers", "invoke", "calculator", "add", "--args", given)

    assert (done.returncode, done.stdout, daemon.requests) == (2, "", [])
    assert done.stderr.startswith(f"gleitzeitctl: --args takes a JSON object, not {given[:50]}")
    assert """for example a=5 b=3, or --args '{"a": 5, "b": 3}'""" in done.stderr
    assert len(done.stderr) < 400


def test_what_is_wrong_with_the_arguments_is_said(daemon: FakeDaemon, ctl: Ctl) -> None:
    done = ctl("providers", "invoke", "calculator", "add", "--args", '{"a": 5 "b"}')

    assert 'line 1 column 9, after {"a": 5 comes "b"})' in done.stderr


@pytest.mark.parametrize(
    ("code", "http", "exit"),
    [
        ("invalid_request", 400, 2),
        ("not_found.method", 404, 4),
        ("no_instance", 503, 5),
        ("instance_lost", 502, 6),
        ("deadline_exceeded", 504, 7),
        ("forbidden", 403, 8),
    ],
)
def test_a_call_that_fails_ends_as_its_error_says(
    daemon: FakeDaemon, ctl: Ctl, code: str, http: int, exit: int
) -> None:
    daemon.answers(refusal(code, "it said no", http))

    done = ctl("providers", "invoke", "a", "m")

    assert (done.returncode, done.stdout, done.stderr) == (exit, "", "gleitzeitctl: it said no\n")


@pytest.mark.parametrize("verb", ["invoke", "stream"])
@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        ("provider_error", "boom", '"failing" said: boom (see "gleitzeitctl logs")'),
        ("unavailable", "upstream is down", '"failing" said: upstream is down'),
        ("unavailable", '"other" failed before', '"other" failed before'),
    ],
)
def test_it_is_clear_whose_words_an_error_has(
    daemon: FakeDaemon, ctl: Ctl, verb: str, code: str, message: str, told: str
) -> None:
    daemon.answers(refusal(code, message, CODES[code].http))

    done = ctl("providers", verb, "failing", "m")

    assert (done.returncode, done.stderr) == (CODES[code].exit, f"gleitzeitctl: {told}\n")


@pytest.mark.parametrize("verb", ["invoke", "stream"])
def test_a_providers_words_may_begin_with_a_quote(daemon: FakeDaemon, ctl: Ctl, verb: str) -> None:
    said = {"code": "provider_error", "message": '"x" is no number', "detail": {"type": "ValueError"}}
    daemon.answers(reply({"error": said}, 502))

    done = ctl("providers", verb, "failing", "m")

    assert done.stderr == 'gleitzeitctl: "failing" said: "x" is no number (see "gleitzeitctl logs")\n'


@pytest.mark.parametrize("option", ["--idempotency-key", "--session"])
@pytest.mark.parametrize("value", ["", "x" * 201])
def test_a_key_or_session_that_cannot_be_is_named_as_it_was_written(
    daemon: FakeDaemon, ctl: Ctl, option: str, value: str
) -> None:
    done = ctl("providers", "invoke", "a", "m", option, value)

    assert (done.returncode, daemon.requests) == (2, [])
    assert done.stderr == f"gleitzeitctl: {option} takes 1 to 200 characters, not {len(value)}\n"


def test_an_error_with_json_is_json_too_and_still_on_stderr(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(refusal("provider_error", "it said no", 502))

    done = ctl("providers", "invoke", "a", "m", "--json")

    assert (done.returncode, done.stdout) == (6, "")
    error = json.loads(done.stderr)["error"]
    assert (error["code"], error["message"]) == ("provider_error", "it said no")


def test_a_stream_of_tokens_is_running_text(daemon: FakeDaemon, ctl: Ctl) -> None:
    items: list[Any] = [{"token": "Hel"}, "lo", {"text": " all"}, {"done": True}, {"token": "!"}]
    items += [{"token": "\n"}, {"token": "", "done": True}]
    daemon.answers(ndjson(*({"item": item} for item in items), {"end": {"frames": 7}}))

    done = ctl("providers", "stream", "ollama", "chat", "--args", '{"prompt": "x"}', "--timeout", "3")

    assert (done.returncode, done.stdout, done.stderr) == (0, 'Hello all\n{"done": true}\n!\n', "")
    body = {"target": "ollama", "method": "chat", "args": {"prompt": "x"}, "timeout": 3.0}
    assert daemon.requests == [Request("POST", "/v1/stream", body)]


def test_a_stream_of_anything_else_is_json_lines(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ndjson({"item": 1}, {"item": ["two"]}, {"end": {"frames": 2}}))

    assert ctl("providers", "stream", "a", "m").stdout == '1\n["two"]\n'


def test_a_stream_as_json_is_the_frames(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ndjson({"item": {"token": "a"}}, {"end": {"frames": 1}}))

    assert ctl("providers", "stream", "a", "m", "--json").stdout == (
        '{"item": {"token": "a"}}\n{"end": {"frames": 1}}\n'
    )


LATE = {"error": {"code": "deadline_exceeded", "message": "60 s passed without a chunk"}}


@pytest.mark.parametrize(
    ("end", "exit", "sentence"),
    [
        pytest.param(ndjson({"item": {"token": "Hel"}}, LATE), 7, "60 s passed", id="error"),
        pytest.param(ndjson({"item": {"token": "Hel"}}), 1, "stopped without a word", id="no end"),
        pytest.param(ndjson({"item": {"token": "Hel"}}, end=b""), 3, "closed the connection", id="dropped"),
    ],
)
def test_a_stream_that_breaks_keeps_what_came_and_says_so(
    daemon: FakeDaemon, ctl: Ctl, end: Any, exit: int, sentence: str
) -> None:
    daemon.answers(end)

    done = ctl("providers", "stream", "a", "m")

    assert (done.returncode, done.stdout) == (exit, "Hel\n")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


WELL = {"name": "a", "state": "RUNNING", "healthy": True, "health": {"healthy": True, "models": 2}}
ILL = {"name": "a", "state": "RUNNING", "healthy": False, "health": {"healthy": False, "why": "no\nkey"}}
SILENT = {"name": "a", "state": "RUNNING", "healthy": None, "health": None}


@pytest.mark.parametrize(
    ("answer", "exit", "row"),
    [
        (WELL | {"latency": 0.0123}, 0, ["a", "RUNNING", "healthy", "12", "ms", "models=2"]),
        (ILL, 5, ["a", "RUNNING", "unhealthy", "why=no", "key"]),
        (SILENT, 0, ["a", "RUNNING"]),
        (SILENT | {"state": "FATAL"}, 5, ["a", "FATAL"]),
    ],
)
def test_health_of_one(daemon: FakeDaemon, ctl: Ctl, answer: Any, exit: int, row: list[str]) -> None:
    daemon.answers(reply(answer))

    done = ctl("providers", "health", "a")

    assert (done.returncode, done.stdout.splitlines()[1].split()) == (exit, row)
    assert daemon.requests == [Request("GET", "/v1/providers/a/health")]


def test_health_has_a_row_for_each_of_several_instances(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(ILL | {"instances": [WELL | {"name": "a#1"}, ILL | {"name": "a#2"}]}))

    done = ctl("providers", "health", "a")

    assert done.returncode == 5
    assert [row.split()[:3] for row in done.stdout.splitlines()[1:]] == [
        ["a#1", "RUNNING", "healthy"],
        ["a#2", "RUNNING", "unhealthy"],
    ]


AFTER_ALL = (("a", "RUNNING"), ("b", "FATAL"), ("c", "RUNNING"))


def test_health_of_all_asks_each_and_is_bad_when_one_is(daemon: FakeDaemon, ctl: Ctl) -> None:
    names = [{"name": name, "kind": "command", "state": state} for name, state in AFTER_ALL]
    not_there = refusal("no_instance", "not connected", 503)
    daemon.answers(reply({"providers": names}), reply(WELL), not_there, not_there)

    done = ctl("providers", "health")

    assert (done.returncode, done.stderr) == (5, "")
    assert [row.split() for row in done.stdout.splitlines()[1:]] == [
        ["a", "RUNNING", "healthy", "models=2"],
        ["b", "FATAL", "unhealthy", "error=not", "connected"],
        ["c", "RUNNING", "-"],
    ]


def test_shutdown_says_that_it_has_begun(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({}, 202))

    done = ctl("shutdown")

    assert (done.returncode, done.stdout) == (0, "the daemon is ending\n")
    assert daemon.requests == [Request("POST", "/v1/shutdown", {})]


def test_shutdown_can_wait_for_the_end_of_the_process(daemon: FakeDaemon, ctl: Ctl) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:

        def end(connection: socket.socket) -> None:
            reply({}, 202)(connection)
            process.communicate()

        daemon.answers(reply(VERSION | {"pid": process.pid}), end)

        done = ctl("shutdown", "--wait")

        assert process.wait(30) == 0
    assert (done.returncode, done.stdout, done.stderr) == (0, "the daemon has ended\n", "")


def test_shutdown_does_not_wait_for_ever(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(VERSION | {"pid": os.getpid()}), reply({}, 202))

    done = ctl("shutdown", "--wait", "--timeout", "0")

    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr.startswith("gleitzeitctl: the daemon has not ended within 0 s")


def test_version_of_both(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(VERSION))

    done = ctl("version")

    ours, theirs = done.stdout.splitlines()
    assert done.returncode == 0
    assert done.stderr.startswith(f"the daemon is 9.9.9 and this is {OURS}: ")
    assert ours == f"gleitzeitctl {OURS}"
    assert theirs == "gleitzeitd 9.9.9, gz/1, Python 3.11.2, pid 1"


def test_version_needs_no_daemon(ctl: Ctl) -> None:
    done = ctl("version", "--json", "--socket", "/nowhere/d.sock")

    assert done.returncode == 0
    assert json.loads(done.stdout)["daemon"] is None
    assert "no daemon at /nowhere/d.sock" in done.stderr


def test_version_is_told_even_to_those_who_may_not_ask(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(refusal("forbidden", "GET /v1/version is for root", 403))

    done = ctl("version")

    assert (done.returncode, done.stderr) == (0, "GET /v1/version is for root\n")
    assert done.stdout.startswith("gleitzeitctl ")


def test_serve_is_the_daemon(ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "gleitzeitd").mkdir()
    (tmp_path / "gleitzeitd/__init__.py").touch()
    (tmp_path / "gleitzeitd/main.py").write_text(
        "def serve(*args, **named):\n    print(args, named)\n    return 2\n"
    )

    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = ctl.alone("serve", "--provider-config", "p.yaml", "--socket", "s", env=env)

    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout == "('p.yaml', 's') {'foreground': True}\n"


HEEDS_SIGINT = """
import signal, sys
from gleitzeitctl.app import main
# a shell starts what it starts in the background with SIGINT ignored, and that is inherited
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""


def test_ctrl_c_is_quiet_and_ends_the_call(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(daemon.watch_the_caller_leave)

    with ctl.started("providers", "invoke", "a", "slow", run=("-c", HEEDS_SIGINT)) as process:
        assert daemon.was_asked.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (130, "", "")
    assert daemon.was_left.wait(30)


INTERRUPTED_AT = """
import sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "{}":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from gleitzeitctl.app import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["gleitzeitctl.edge", "gleitzeitctl.tree", "gleitzeitctl.commands.status"])
def test_ctrl_c_is_quiet_from_the_first_import_on(ctl: Ctl, module: str) -> None:
    done = ctl.alone("status", run=("-c", INTERRUPTED_AT.format(module)))

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_attempt_that_is_due_is_now(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(OPENAI | {"next_in": 0.3})))

    assert "; next attempt now" in ctl("status").stdout


def test_a_reader_that_leaves_ends_the_command_quietly(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(without_files("a"), ndjson(), daemon.flood)

    with ctl.started("logs", "-f") as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith("a | xxx")
        process.stdout.close()
        assert (process.wait(30), process.stderr.read()) == (141, "")


def test_an_answer_that_cannot_be_written_is_an_error(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(CALCULATOR)))

    with open("/dev/full", "w") as full, ctl.started("status", stdout=full.fileno()) as process:
        _, err = process.communicate(timeout=30)

    assert process.returncode == 1
    assert err == "gleitzeitctl: cannot write the answer: No space left on device\n"


def test_status_tells_of_output_that_could_not_be_kept(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply(status_of(CALCULATOR | {"dropped_output": 1234})))

    assert "1234 bytes of its output could not be kept" in ctl("status").stdout


COMING = {"role": "coming", "state": "WAITING", "pid": None, "generation": 0, "in_flight": 0}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            COMING | {"reason": "waits for a start slot"},
            "to be replaced by generation next, WAITING (waits for a start slot)",
        ),
        (
            COMING | {"state": "STARTING", "generation": 2, "reason": ""},
            "to be replaced by generation 2, STARTING",
        ),
        (
            COMING | {"role": "leaving", "state": "STOPPING", "generation": 1, "in_flight": 3},
            "generation 1 is leaving, 3 calls left",
        ),
        (COMING | {"role": "leaving", "state": "STOPPING", "generation": 1}, "generation 1 is leaving"),
    ],
    ids=["waits", "starts", "drains", "ends"],
)
def test_status_shows_the_lives_beside_one(
    daemon: FakeDaemon, ctl: Ctl, other: dict[str, Any], said: str
) -> None:
    daemon.answers(reply(status_of(CALCULATOR | {"beside": [other]})))

    done = ctl("status", "calculator")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].endswith(f"  {said}")


def test_status_tells_first_that_what_runs_is_not_what_the_file_says(daemon: FakeDaemon, ctl: Ctl) -> None:
    answer = status_of(CALCULATOR)
    answer["daemon"]["problems"] = ["/etc/p.yaml:3:5: providers.a.nice: must be at most 19"]
    answer["daemon"] |= {"refused": True, "not_kept": "the disk is full"}
    answer["daemon"]["after_daemon_restart"] = ["global.default_server_url"]
    answer["daemon"]["failures"] = [{"name": "calculator", "reason": "exited with 1: no key"}]
    daemon.answers(reply(answer))

    done = ctl("status")

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 2)
    assert done.stderr.splitlines() == [
        "the config file as it is now is refused, and what it was before runs on:",
        "  /etc/p.yaml:3:5: providers.a.nice: must be at most 19",
        '  mend it, or go back: see "gleitzeitctl config diff" and "gleitzeitctl config history"',
        "global.default_server_url has changed in the file, and applies when the daemon is started anew",
        '"calculator" goes on as it was: its replacement failed: exited with 1: no key: '
        '"gleitzeitctl reload" tries it again',
        "what runs is not kept for a rollback: the disk is full",
    ]


def test_a_rolling_restart_is_asked_for_as_such(daemon: FakeDaemon, ctl: Ctl) -> None:
    """Seen to fail with a flag that was not sent."""
    ran = {"name": "a#1", "ok": True, "state": "RUNNING", "pid": 7, "reason": ""}
    bad = {"name": "a#2", "ok": False, "state": "RUNNING", "pid": 8, "reason": "the new life failed: no key"}
    daemon.answers(reply({"results": [ran, bad]}))

    done = ctl("restart", "a", "--rolling", "--timeout", "9.5")

    body = {"names": ["a"], "wait": True, "timeout": 9.5, "rolling": True}
    assert daemon.requests == [Request("POST", "/v1/restart", body)]
    assert (done.returncode, done.stdout) == (1, "a#1  RUNNING  pid 7\n")
    assert done.stderr == (
        'gleitzeitctl: could not restart "a#2": it is RUNNING: the new life failed: no key: '
        'see "gleitzeitctl why a#2"\n'
    )


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_only_a_restart_can_roll(daemon: FakeDaemon, ctl: Ctl, verb: str) -> None:
    done = ctl(verb, "a", "--rolling")

    assert (done.returncode, done.stdout, daemon.requests) == (2, "", [])
    assert "--rolling" in done.stderr


def test_why_is_a_story_with_evidence_and_what_comes_next(daemon: FakeDaemon, ctl: Ctl) -> None:
    entry = {"time": "2026-11-22T14:00:00.123Z", "generation": 2, "state": "STOPPING"}
    story = {
        "name": "openai",
        "state": "BACKOFF",
        "pid": None,
        "generation": 2,
        "restarts": 1,
        "reason": "exited with 1: no key",
        "since": 61.0,
        "next": "It is tried again in 4.2 s.",
        "failed_replacement": "",
        "next_in": 4.2,
        "history": [{**entry, "what": "exited with 1: no key", "evidence": ["Traceback", "no key\x1b[2J"]}],
    }
    daemon.answers(reply({"instances": [story]}))

    done = ctl("why", "openai")

    assert (done.returncode, done.stderr) == (0, "")
    head, reason, comes, blank, happened, *evidence = done.stdout.splitlines()
    assert head == "openai is BACKOFF (for 1m 1s, generation 2, restarted once)"
    assert (reason.strip(), comes.strip(), blank) == (
        "exited with 1: no key",
        "It is tried again in 4.2 s.",
        "",
    )
    assert happened.endswith("STOPPING  #2  exited with 1: no key")
    assert [line.strip() for line in evidence] == ["| Traceback", "| no key?[2J"]
    assert daemon.requests == [Request("GET", "/v1/why?name=openai")]


def test_what_others_start_has_no_generation_to_tell(daemon: FakeDaemon, ctl: Ctl) -> None:
    story = {"name": "ext", "state": "RUNNING", "since": 5, "pid": None, "generation": 0, "restarts": 0}
    told = {"reason": "", "next": "It is started by others.", "failed_replacement": "", "history": []}
    daemon.answers(reply({"instances": [story | told]}))

    assert ctl("why", "ext").stdout == "ext is RUNNING (for 5s)\n  It is started by others.\n"


def test_arguments_are_utf_8_whatever_the_locale_says(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"result": 1}))
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    ctl.alone("providers", "invoke", "a", "m", "--args", '{"word": "größer"}', env=locale)

    assert daemon.requests[0].body["args"] == {"word": "größer"}


def test_arguments_from_a_stdin_that_has_none_are_missing(daemon: FakeDaemon, ctl: Ctl) -> None:
    closed = (
        "-c",
        "import sys, runpy; sys.stdin = None; runpy.run_module('gleitzeitctl', run_name='__main__')",
    )
    for run in (("-m", "gleitzeitctl"), closed):
        done = ctl.alone("providers", "invoke", "a", "m", "--args", "-", run=run)

        assert done.returncode == 2
        assert "--args takes a JSON object, and stdin is empty: for example" in done.stderr

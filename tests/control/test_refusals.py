"""What cannot be done is refused: by the right status, in the one envelope, in a sentence that helps."""

from __future__ import annotations

import json

import pytest

from tests.control.conftest import Ask
from tests.house import House

STEERING = ["/v1/start", "/v1/stop", "/v1/restart"]
CALLING = ["/v1/providers/probe/invoke", "/v1/providers/probe/stream"]
NAMES = '`names` must be a list of providers\' names, or ["all"]'
TIMEOUT = "`timeout` must be seconds, at most a day"
CALL_TIMEOUT = "`timeout` must be seconds, more than 0 and at most a day"


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/status", "/v1/nothing", "/v1/providers/probe"])
def test_a_path_that_leads_nowhere(request_: Ask, path: str) -> None:
    answer = request_("GET", path)

    assert answer.status == 404
    assert answer.json["error"]["code"] == "invalid_request"
    assert answer.json["error"]["message"] == f"GET {path}: Not Found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/v1/status", "GET, HEAD"),
        ("DELETE", "/v1/providers", "GET, HEAD"),
        ("GET", "/v1/stop", "POST"),
        ("GET", "/v1/shutdown", "POST"),
        ("GET", "/v1/providers/probe/invoke", "POST"),
        ("PATCH", "/v1/status", "GET, HEAD"),
        ("PUT", "/v1/tokens", "GET, HEAD, POST"),
    ],
)
def test_a_method_that_is_not_for_this_path(request_: Ask, method: str, path: str, allowed: str) -> None:
    answer = request_(method, path)

    assert answer.status == 405
    assert answer.json["error"]["code"] == "invalid_request"
    assert answer.json["error"]["message"] == f"{method} {path}: Method Not Allowed: it takes {allowed}"
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("path", [*STEERING, *CALLING])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b'"' + b"x" * 1000],
    ids=["empty", "unfinished", "not UTF-8", "deep", "an endless number", "an endless text"],
)
def test_a_body_that_is_not_json(request_: Ask, path: str, body: bytes) -> None:
    assert request_("POST", path, body).error("invalid_request").startswith("the body is not JSON: ")


@pytest.mark.parametrize("path", [*STEERING, *CALLING])
@pytest.mark.parametrize("body", [b"[]", b"null", b'"all"', b"5"])
def test_a_body_that_is_no_object(request_: Ask, path: str, body: bytes) -> None:
    assert request_("POST", path, body).error("invalid_request") == "the body must be a JSON object"


@pytest.mark.parametrize("charset", ["nonsense", "hex", "utf-16"])
def test_a_body_is_json_whatever_letters_its_header_names(request_: Ask, charset: str) -> None:
    # RFC 8259 defines no charset: JSON is UTF-8.
    headers = {"Content-Type": f"application/json; charset={charset}"}
    (result,) = request_("POST", "/v1/start", {"names": ["sleeper"]}, headers).json["results"]

    assert result["ok"]


def test_a_body_that_is_larger_than_any_message(request_: Ask) -> None:
    body = b'{"method": "say", "args": {"word": "%s"}}' % (b"x" * (16 * 1024 * 1024))

    sentence = request_("POST", CALLING[0], body).error("too_large")
    assert sentence == "the request is larger than the 16 MiB one message may have"


@pytest.mark.parametrize("action", STEERING)
@pytest.mark.parametrize("names", [None, [], "sleeper", [5], ["sleeper", None], {"sleeper": 1}])
def test_names_that_are_none(request_: Ask, action: str, names: object) -> None:
    assert request_("POST", action, {"names": names}).error("invalid_request") == NAMES


@pytest.mark.parametrize(
    "timeout",
    ["60", -1, True, None, [1], 86401, 10**400],
    ids=lambda value: str(value)[:40],
)
def test_a_time_that_is_none(request_: Ask, timeout: object) -> None:
    body = {"names": ["sleeper"], "timeout": timeout}

    assert request_("POST", "/v1/start", body).error("invalid_request") == TIMEOUT


@pytest.mark.parametrize("action", STEERING)
@pytest.mark.parametrize("name", ["nobody", "off", "", "\ud800", "x" * 10_000, "all "])
def test_a_name_that_is_not_run_here(request_: Ask, action: str, name: str) -> None:
    answer = request_("POST", action, {"names": [name]})

    assert (answer.status, answer.json["error"]["code"]) == (404, "not_found.provider")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "`method` must be a string"),
        ({"method": ""}, "`method` must be a string"),
        ({"method": 5}, "`method` must be a string"),
        ({"method": "say", "args": [1]}, '`args` must be an object such as {"a": 5}'),
        ({"method": "say", "args": None}, '`args` must be an object such as {"a": 5}'),
        ({"method": "say", "timeout": 0}, CALL_TIMEOUT),
        ({"method": "say", "timeout": -1}, CALL_TIMEOUT),
        ({"method": "say", "timeout": "1"}, CALL_TIMEOUT),
        ({"method": "say", "timeout": True}, CALL_TIMEOUT),
        ({"method": "say", "timeout": 10**400}, CALL_TIMEOUT),
    ],
    ids=lambda value: str(value)[:40],
)
@pytest.mark.parametrize("path", CALLING)
def test_a_call_that_cannot_be_read(request_: Ask, path: str, body: object, sentence: str) -> None:
    assert request_("POST", path, body).error("invalid_request") == sentence


@pytest.mark.parametrize("verb", ["invoke", "stream"])
@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("nobody", "not_found.provider", 'there is no provider "nobody"'),
        ("%FF%00", "not_found.provider", "there is no provider"),
        ("..%2f..%2fetc", "not_found.provider", 'there is no provider "../../etc"'),
        ("off", "no_instance", '"off" is disabled in the config file'),
        ("sleeper", "no_instance", '"sleeper" is a command that offers no methods'),
        ("fatal", "no_instance", '"fatal" is FATAL: exited with 78'),
        ("waiting", "no_instance", '"waiting" will not be tried again in time: exited with 1'),
    ],
)
def test_a_provider_that_cannot_be_called(
    request_: Ask, verb: str, name: str, code: str, sentence: str
) -> None:
    answer = request_("POST", f"/v1/providers/{name}/{verb}", {"method": "add", "timeout": 5})

    assert sentence in json.loads(answer.body)["error"]["message"]
    assert answer.json["error"]["code"] == code


@pytest.mark.parametrize(
    ("call", "code", "sentence"),
    [
        ({"method": "sey"}, "not_found.method", '"probe" has no method "sey"'),
        ({"method": "_say"}, "not_found.method", "a name that begins with _ is private"),
        ({"method": "stop"}, "not_found.method", '"probe" has no method "stop"'),
        ({"method": "say", "args": {"wrod": 1}}, "invalid_request", "wrod"),
        ({"method": "fail"}, "provider_error", "ValueError: out of order"),
        ({"method": "wait", "timeout": 0.05}, "deadline_exceeded", '"probe" wait had no answer within'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_call_that_fails(request_: Ask, call: object, code: str, sentence: str) -> None:
    assert sentence in request_("POST", CALLING[0], call).error(code)


def test_a_stopped_provider_is_not_waited_for(request_: Ask, daemon: House) -> None:
    try:
        request_("POST", "/v1/stop", {"names": ["probe"]})
        sentence = request_("POST", CALLING[0], {"method": "say"}).error("no_instance")
        assert sentence == '"probe" is stopped: start it with "gleitzeitctl start probe"'
        assert "STOPPED" in request_("GET", "/v1/providers/probe/health").error("no_instance")
    finally:
        request_("POST", "/v1/start", {"names": ["probe"]})


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("nobody", "not_found.provider", 'there is no provider "nobody"'),
        ("off", "no_instance", '"off" is disabled in the config file'),
        ("fatal", "no_instance", '"fatal" is FATAL and not connected to the hub: exited with 78'),
    ],
)
def test_who_cannot_say_how_it_is(request_: Ask, name: str, code: str, sentence: str) -> None:
    assert request_("GET", f"/v1/providers/{name}/health").error(code).startswith(sentence)


def test_a_command_that_runs_is_neither_healthy_nor_not(request_: Ask) -> None:
    answer = request_("GET", "/v1/providers/sleeper/health").json

    alone: dict[str, object] = {"name": "sleeper", "state": "RUNNING", "healthy": None, "health": {}}
    alone |= {"latency": None}
    assert answer == {**alone, "instances": [alone]}


@pytest.mark.parametrize("n", ["-1", "x", "", "1.5", "9" * 10])
def test_a_number_of_lines_that_is_none(request_: Ask, n: str) -> None:
    assert "`n` must be a number of lines" in request_("GET", f"/v1/logs?n={n}").error("invalid_request")


def test_a_stream_that_no_provider_has_is_refused(request_: Ask) -> None:
    assert request_("GET", "/v1/logs?stream=stdin").error("invalid_request")


@pytest.mark.parametrize("name", ["nobody", "off", ""])
def test_logs_of_nobody(request_: Ask, name: str) -> None:
    sentence = request_("GET", f"/v1/logs?name={name}").error("not_found.provider")

    assert f'no provider "{name}"' in sentence

"""`invoke` and `stream` by words: whom they ask for the types, what they send, and what is said of a slip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, Request, ndjson, refusal, reply

ADD = {
    "name": "add",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "number"}, "b": {"type": "number"}, "model": {"type": "string"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
}
CALCULATOR = reply({"providers": [{"name": "calculator", "methods": [ADD]}]})
DOWN = reply({"providers": [{"name": "calculator", "methods": []}]})
EIGHT = reply({"result": 8})


def test_pairs_are_typed_by_what_the_daemon_says_of_the_method(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(CALCULATOR, EIGHT)

    done = ctl("providers", "invoke", "calculator", "add", "a=5", "b=3", "model=7")

    assert (done.returncode, done.stdout, done.stderr) == (0, "8\n", "")
    call = {"target": "calculator", "method": "add", "args": {"a": 5, "b": 3, "model": "7"}}
    assert daemon.requests == [
        Request("GET", "/v1/providers?name=calculator"),
        Request("POST", "/v1/invoke", call),
    ]


def test_pairs_go_before_args(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(CALCULATOR, EIGHT)

    ctl("providers", "invoke", "calculator", "add", "--args", '{"a": 1, "b": 3}', "a=5")

    assert daemon.requests[1].body["args"] == {"a": 5, "b": 3}


def test_a_model_can_be_called_instead_of_a_name(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(CALCULATOR, EIGHT)

    ctl("providers", "invoke", "--model", "gpt-4", "add", "a=5", "b=3")

    assert daemon.requests == [
        Request("GET", "/v1/providers?model=gpt-4"),
        Request("POST", "/v1/invoke", {"model": "gpt-4", "method": "add", "args": {"a": 5, "b": 3}}),
    ]


def test_a_model_without_arguments_can_be_called(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(ndjson({"end": {"frames": 0}}))

    ctl("providers", "stream", "add", "--model", "gpt-4")

    assert daemon.requests == [
        Request("POST", "/v1/stream", {"model": "gpt-4", "method": "add", "args": {}}),
    ]


def test_a_model_beside_a_name_is_the_methods_argument(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(CALCULATOR, EIGHT)

    ctl("providers", "invoke", "calculator", "add", "a=5", "b=3", "--model", "gpt-4")

    args = {"a": 5, "b": 3, "model": "gpt-4"}
    assert daemon.requests[1].body == {"target": "calculator", "method": "add", "args": args}


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (["a=five", "b=3"], 'a must be a number, not "five"'),
        (
            ["a=5", "mode=3"],
            "it takes no mode (did you mean model?); it takes a: number, b: number",
        ),
        (["a=5"], "b is missing; it takes a: number, b: number, model?: string"),
        (["a=5", "a=5"], "a is given twice"),
    ],
)
def test_a_slip_is_named_before_the_call(
    daemon: FakeDaemon, ctl: Ctl, pairs: list[str], sentence: str
) -> None:
    daemon.answers(CALCULATOR)

    done = ctl("providers", "invoke", "calculator", "add", *pairs)

    assert (done.returncode, done.stdout) == (2, "")
    assert f'gleitzeitctl: cannot call "add" of "calculator": {sentence}' in done.stderr
    assert [request.method for request in daemon.requests] == ["GET"]


def test_types_that_nobody_knows_are_guessed(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(DOWN, EIGHT)

    done = ctl("providers", "invoke", "calculator", "add", "a=5", "b=five", "c=null")

    assert (done.returncode, done.stderr) == (0, "")
    assert daemon.requests[1].body["args"] == {"a": 5, "b": "five", "c": None}


def test_a_guess_is_told_when_the_call_fails(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(DOWN, refusal("invalid_request", "a must be text", 400))

    done = ctl("providers", "invoke", "calculator", "add", "a=5", "b=five")

    assert done.returncode == 2
    assert done.stderr == (
        'gleitzeitctl: a must be text (what "add" of "calculator" takes is not known: '
        "it was given a as a number, b as text)\n"
    )


def test_a_name_that_nobody_has_is_not_called(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(refusal("not_found.provider", 'no provider "x"', 404))

    done = ctl("providers", "invoke", "x", "add", "a=5")

    assert (done.returncode, done.stderr) == (4, 'gleitzeitctl: no provider "x"\n')
    assert len(daemon.requests) == 1


def test_args_can_come_from_a_file(daemon: FakeDaemon, ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "args.json").write_bytes(b'\xef\xbb\xbf{"word": "gr\xc3\xb6\xc3\x9fer"}')
    daemon.answers(EIGHT)

    assert ctl("providers", "invoke", "a", "m", "--args", "@args.json").returncode == 0
    assert daemon.requests[0].body["args"] == {"word": "größer"}


MISTAKES = {
    "missing": (None, "--args: args.json: No such file or directory"),
    "empty": (b" \n", "--args takes a JSON object, and args.json is empty: for example a=5 b=3"),
    "latin": (b'{"a": "\xe9"}', "args.json is not UTF-8: byte 8 is 0xe9"),
    "broken": (b'{\n  "a": 5,\n  b: 3\n}', 'column 3, after { "a": 5, comes b: 3 })'),
    "list": (b"[5, 3]", "--args takes a JSON object, not [5, 3] in args.json: for example"),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_what_is_wrong_with_a_file_of_arguments_is_said_with_its_place(
    daemon: FakeDaemon, ctl: Ctl, tmp_path: Path, text: bytes | None, sentence: str
) -> None:
    if text is not None:
        (tmp_path / "args.json").write_bytes(text)

    done = ctl("providers", "invoke", "a", "m", "--args", "@args.json")

    assert (done.returncode, daemon.requests) == (2, [])
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_pairs_are_utf_8_whatever_the_locale_says(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(DOWN, EIGHT)
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    ctl.alone("providers", "invoke", "a", "m", "word=größer", env=locale)

    assert daemon.requests[1].body["args"] == {"word": "größer"}


@pytest.mark.parametrize("words", [["a"], ["--model", "gpt-4"]])
def test_a_call_of_nothing_says_what_is_missing(daemon: FakeDaemon, ctl: Ctl, words: list[str]) -> None:
    done = ctl("providers", "invoke", *words)

    assert (done.returncode, daemon.requests) == (2, [])
    assert done.stderr.startswith("gleitzeitctl: missing argument ")


STORY = 'could not:\nTraceback (most recent call last):\n  File "a.py", line 1\nValueError: no key\n'


@pytest.mark.parametrize("verb", ["invoke", "stream"])
def test_a_providers_traceback_is_never_shown(daemon: FakeDaemon, ctl: Ctl, verb: str) -> None:
    error = {"code": "provider_error", "message": STORY, "detail": {"type": "RuntimeError"}}
    daemon.answers(reply({"error": error}, 502))

    done = ctl("providers", verb, "a", "m")

    assert (done.returncode, done.stdout) == (6, "")
    assert done.stderr == (
        'gleitzeitctl: "a" said: could not: ValueError: no key (see "gleitzeitctl logs")\n'
    )


@pytest.mark.parametrize("result", ["\x1b[2Jred\r\n", {"a": "\x9b2J"}])
def test_a_result_stays_as_it_came_for_a_program(daemon: FakeDaemon, ctl: Ctl, result: Any) -> None:
    daemon.answers(reply({"result": result}))

    shown = ctl.alone("providers", "invoke", "a", "m", env={"PYTHONIOENCODING": "utf-8"}).stdout

    assert ("\x1b[2J" in shown) if isinstance(result, str) else ("\x9b2J" in shown)

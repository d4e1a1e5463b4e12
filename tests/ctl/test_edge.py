"""Whatever goes wrong is one line and an exit status."""

from __future__ import annotations

import json

import pytest

from gleitzeitctl.edge import complain
from tests.ctl.conftest import Ctl
from tests.ctl.fake_daemon import FakeDaemon, reply


def test_no_daemon_is_one_sentence_on_stderr(ctl: Ctl) -> None:
    done = ctl("status", "--socket", "/nowhere/d.sock")

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "gleitzeitctl: no daemon at /nowhere/d.sock: "
        'start it with "gleitzeit serve" or "systemctl start gleitzeitd"\n'
    )


def test_no_daemon_with_json_is_an_envelope(ctl: Ctl) -> None:
    done = ctl("status", "--json", "--socket", "/nowhere/d.sock")

    assert (done.returncode, done.stdout) == (3, "")
    assert json.loads(done.stderr)["error"]["code"] == "unreachable"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (["statsu"], "no such command 'statsu'. Did you mean 'status', 'start', 'restart'? see"),
        (["status", "--foo"], 'no such option: --foo: see "gleitzeitctl status --help"'),
        (["start"], "missing argument 'NAME...': see \"gleitzeitctl start --help\""),
        (["providers", "invoke", "a"], "missing argument 'METHOD'"),
        (["start", "a", "--timeout", "soon"], "--timeout takes seconds, such as 30 or 0.5, not soon"),
        (["logs", "-n", "-1"], "invalid value for '--lines' / '-n': -1 is not in the range x>=0"),
        (["--socket"], "option '--socket' requires an argument"),
    ],
)
def test_a_slip_on_the_command_line_is_one_sentence(ctl: Ctl, line: list[str], sentence: str) -> None:
    done = ctl(*line)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"gleitzeitctl: {sentence}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("line", [[], ["providers"]])
def test_a_group_alone_shows_its_help_on_stderr(ctl: Ctl, line: list[str]) -> None:
    done = ctl(*line)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: gleitzeitctl ")
    assert "  -h, --help " in done.stderr


def test_our_own_mistake_is_one_line_and_can_be_looked_into(daemon: FakeDaemon, ctl: Ctl) -> None:
    daemon.answers(reply({"not": "a status"}))

    quiet, loud = ctl("status"), ctl("status", env={"GLEITZEIT_TRACEBACK": "1"})

    assert quiet.returncode == 1
    assert quiet.stderr.startswith("gleitzeitctl: this is a mistake in gleitzeitctl: KeyError: ")
    assert quiet.stderr.count("\n") == 1
    assert "Traceback" in loud.stderr


def test_a_file_that_fails_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    exc = FileNotFoundError(2, "No such file or directory", "p.yaml")

    assert complain("gleitzeit", exc, in_json=False) == 1
    assert capsys.readouterr().err == "gleitzeit: p.yaml: No such file or directory\n"

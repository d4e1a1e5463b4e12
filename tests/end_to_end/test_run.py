"""`run`, `add` and `remove`: providers that stand in no file of the config."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, eventually, house
from tests.warm import ROOT

TALKER = {"command": ["sleep", "1000"], "start_seconds": 0}
SLEEPS = ["sh", "-c", "echo here; exec sleep 1000"]


@pytest.fixture
def h(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, {"talker": TALKER}) as h:
        yield h


def test_a_command_is_kept_alive_over_reloads_and_goes_with_the_daemon(h: House) -> None:
    ran = h.ctl("run", "--name", "mine", "--", *SLEEPS)
    assert ran.returncode == 0
    assert ran.stdout.startswith("mine  RUNNING  pid ")

    first = h.view("mine")["pid"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: h.view("mine")["pid"] not in (None, first) and h.view("mine")["state"] == "RUNNING")

    pid = h.view("mine")["pid"]
    config = json.loads(h.config.read_text())
    h.config.write_text(json.dumps(config | {"providers": {"talker": TALKER, "more": TALKER}}))
    assert h.ctl("reload").returncode == 0
    assert h.view("mine")["pid"] == pid
    assert h.view("more")["state"] == "RUNNING"

    h.stop()
    h.start()
    assert h.ctl("status", "mine").returncode == 4


def test_words_stay_as_they_were_typed_and_a_variable_is_seen_by_it_alone(
    h: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    h.environment["SECRET"] = "sk-${never} seen"
    script = 'echo "$HOME ${HOME} $SECRET $1"; exec sleep 1000'
    assert (
        h.ctl("run", "--env", "SECRET", "--name", "mine", "--", "sh", "-c", script, "_", "${x}").returncode
        == 0
    )

    home = os.environ["HOME"]
    eventually(lambda: h.ctl("logs", "mine").stdout == f"{home} {home} sk-${{never}} seen ${{x}}\n")
    told = [
        h.ctl(*words).stdout
        for words in (["status", "--json"], ["why", "mine", "--json"], ["config", "history"])
    ]
    assert not any("sk-" in text for text in told)
    (file,) = (h.root / "run" / "transient").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["run", "nonsense-x"], 2, "there is no program nonsense-x that could be run"),
        (["run", "--name", "talker", "sleep", "1"], 1, '"talker" already: it stands in'),
        (["run", "--name", "a/../b", "sleep", "1"], 2, "`name` must be a name"),
        (["run", "--restart", "maybe", "sleep", "1"], 2, "--restart takes always, on-failure or never"),
        (["run", "--env", "A B=1", "sleep", "1"], 2, "no variable can be called so"),
        (["run", "--env", "NOT_SET_HERE", "sleep", "1"], 2, "$NOT_SET_HERE is not set here"),
        (["run", "--directory", "/nowhere", "sleep", "1"], 2, 'there is no directory "/nowhere"'),
        (["add", "x", "foo"], 2, "foo is no URL"),
        (["add", "x", "--mcp", "--model", "m", "sleep"], 2, "--model and --api-key-env are for servers"),
        (["remove", "talker"], 1, "take it out there"),
        (["remove", "nobody"], 4, "there are none"),
        (["run", "--save", "--name", "talker", "sleep", "1"], 2, "cannot be the name of a new provider"),
        (["run", "--save", "--directory", "/nowhere", "sleep", "1"], 2, 'there is no directory "/nowhere"'),
    ],
)
def test_what_is_refused_leaves_nothing(h: House, words: list[str], status: int, sentence: str) -> None:
    done = h.ctl(*words)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list((h.root / "run" / "transient").iterdir()) == []
    assert not list((h.root).glob("providers.d/*"))
    assert h.client.get("/v1/status")["daemon"]["problems"] == []
    assert [view["name"] for view in h.client.get("/v1/status")["instances"]] == ["talker"]


def test_one_that_does_not_come_up_says_why_and_remains_to_be_looked_at(h: House) -> None:
    done = h.ctl("run", "--name", "bad", "--", "sh", "-c", "echo oops >&2; exit 78")
    assert done.returncode == 1
    assert 'could not start "bad": it is FATAL: exited with 78: oops' in done.stderr
    assert h.view("bad")["state"] == "FATAL"
    assert h.ctl("remove", "bad").stdout == "bad: removed\n"
    assert h.ctl("status", "bad").returncode == 4


def test_one_that_is_done_at_once_did_what_was_wanted(h: House) -> None:
    done = h.ctl("run", "--restart", "on-failure", "--name", "once", "--", "true")
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["once", "EXITED"])


def test_what_is_saved_stays_until_it_is_removed(h: House) -> None:
    assert h.ctl("run", "--save", "--name", "mine", "--", *SLEEPS).returncode == 0
    h.stop()
    h.start()
    h.until("mine", "RUNNING")
    validated = h.ctl("config", "validate", "--config-file", str(h.config))
    assert "2 providers" in validated.stdout
    assert h.ctl("remove", "mine").stdout == "mine: removed\n"
    assert list((h.root / "providers.d").iterdir()) == []
    eventually(lambda: h.ctl("status", "mine").returncode == 4)


def test_a_file_of_the_config_goes_before_what_was_run(h: House) -> None:
    assert h.ctl("run", "--name", "mine", "--", *SLEEPS).returncode == 0
    config = json.loads(h.config.read_text())
    config["providers"]["mine"] = {"command": ["sleep", "999"], "start_seconds": 0}
    h.config.write_text(json.dumps(config))
    assert h.ctl("reload").returncode == 0
    eventually(lambda: Path(f"/proc/{h.view('mine')['pid']}/cmdline").read_bytes() == b"sleep\x00999\x00")
    assert h.client.get("/v1/status")["daemon"]["problems"] == []


def test_what_was_run_is_in_no_version_of_the_config(h: House) -> None:
    assert h.ctl("run", "--name", "mine", "--", *SLEEPS).returncode == 0
    versions = h.client.get("/v1/config/history")["versions"]
    assert [(one["number"], one["current"]) for one in versions] == [(1, True)]


def test_a_server_of_tools_is_called_after_one_line(h: House) -> None:
    h.environment["PYTHONPATH"] = str(ROOT)
    added = h.ctl("add", "tools", "--mcp", "--", sys.executable, "-m", "tests.providers.mcp_server")
    assert (added.returncode, added.stderr.count("could not")) == (0, 0)
    methods = h.ctl("providers", "methods", "tools")
    assert methods.returncode == 0
    assert len(methods.stdout.splitlines()) > 1


def test_only_the_owner_may(h: House, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    h.config.parent.chmod(0o711)
    (h.root / "run").chmod(0o711)
    h.socket.chmod(0o666)
    asked = ["curl", "-s", "--unix-socket", str(h.socket), "-d", "{}", "http://d/v1/run"]
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == "root" and parent != Path("/"):
            os.chmod(parent, parent.stat().st_mode | 0o711)
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *asked],
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["error"]["code"] == "forbidden"

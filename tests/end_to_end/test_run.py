"""`run`, `add` and `remove`: providers that stand in no file of the config."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import House, eventually, house
from tests.warm import ROOT

TALKER = {"command": ["sleep", "1000"], "start_seconds": 0}
QUICK = {"command": ["sleep", "1000"], "start_seconds": 0}
SLEEPS = ["sh", "-c", "echo here; exec sleep 1000"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """For what leaves the config file as it is."""
    off = {**TALKER, "enabled": False}
    with house(tmp_path_factory.mktemp("run"), {"talker": TALKER, "off": off}) as h:
        yield h


@pytest.fixture
def h(shared: House) -> Iterator[House]:
    yield shared
    for file in kept(shared):
        shared.client.delete(f"/v1/transient/{file.removesuffix('.yaml')}")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[House]:
    """For what changes the config, or ends the daemon."""
    with house(tmp_path, {"talker": TALKER}) as h:
        yield h


def kept(h: House) -> list[str]:
    return sorted(os.listdir(h.root / "run" / "transient"))


def run(h: House, name: str, **block: Any) -> None:
    """As the command does, but for a second until it counts as up."""
    h.client.post("/v1/run", {"name": name, "block": {**QUICK, **block}})


def define(h: House, **providers: Any) -> None:
    config = json.loads(h.config.read_text())
    h.config.write_text(json.dumps({**config, "providers": {"talker": TALKER, **providers}}))


def answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


def names(h: House) -> set[str]:
    return {view["name"] for view in h.client.get("/v1/status")["instances"]}


def test_a_command_is_kept_alive_over_reloads_and_goes_with_the_daemon(own: House) -> None:
    h = own
    ran = h.ctl("run", "--name", "mine", "--", *SLEEPS)
    assert ran.returncode == 0
    assert ran.stdout.startswith("mine  RUNNING  pid ")

    first = h.view("mine")["pid"]
    os.kill(first, signal.SIGKILL)
    eventually(lambda: h.view("mine")["pid"] not in (None, first) and h.view("mine")["state"] == "RUNNING")

    pid = h.view("mine")["pid"]
    define(h, more=TALKER)
    assert h.ctl("reload").returncode == 0
    assert h.view("mine")["pid"] == pid
    assert h.view("more")["state"] == "RUNNING"

    h.stop()
    h.start()
    assert h.ctl("status", "mine").returncode == 4


def test_words_stay_as_they_were_typed_and_a_variable_is_seen_by_it_alone(
    h: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(h.environment, "SECRET", "sk-${never} seen")
    script = 'echo "$HOME ${HOME} $SECRET $1"; exec sleep 1000'
    odd = "${x} $${x} 😀 é\u0085"
    words = ["--env", "SECRET", "--name", "mine", "--", "sh", "-c", script, "_", odd]
    assert h.ctl("run", *words).returncode == 0

    home = os.environ["HOME"]
    eventually(lambda: h.ctl("logs", "mine").stdout == f"{home} {home} sk-${{never}} seen {odd}\n")
    told = [
        h.ctl(*words).stdout
        for words in (["status", "--json"], ["why", "mine", "--json"], ["config", "history"])
    ]
    assert not any("sk-" in text for text in (*told, h.said()))
    (file,) = (h.root / "run" / "transient").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_program_finds_what_its_caller_finds(
    h: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (("outer", "exec inner"), ("inner", "echo found; exec sleep 1000")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setitem(h.environment, "PATH", os.environ["PATH"])
    assert h.ctl("run", "outer").returncode == 0
    eventually(lambda: h.ctl("logs", "outer").stdout == "found\n")


def test_a_name_that_nobody_gave_is_one_that_is_free(h: House) -> None:
    ran = [h.ctl("run", "--no-wait", "--", "/bin/sleep", str(number)) for number in (1000, 2000)]
    assert [done.stdout.split()[0] for done in ran] == ["sleep", "sleep-2"]


def test_of_many_at_once_with_one_name_one_is_run(h: House) -> None:
    def ask(number: int) -> str:
        try:
            run(h, "mine", command=["sleep", str(1000 + number)])
        except CallError as exc:
            return exc.code
        return ""

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(ask, range(8))) == ["", *["conflict"] * 7]
    assert kept(h) == ["mine.yaml"]


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["run", "nonsense-x"], 2, 'there is no program "nonsense-x" that could be run'),
        (["run", "--name", "talker", "sleep", "1"], 1, '"talker" already: it stands in'),
        (["run", "--name", "off", "sleep", "1"], 1, "disabled"),
        (["run", "--name", "a/../b", "sleep", "1"], 2, "`name` must be a provider's name"),
        (["run", "--restart", "maybe", "sleep", "1"], 2, "--restart takes always, on-failure or never"),
        (["run", "--env", "A B=1", "sleep", "1"], 2, "no variable can be called so"),
        (["run", "--env", "NOT_SET_HERE", "sleep", "1"], 2, "$NOT_SET_HERE is not set here"),
        (["run", "--directory", "/nowhere", "sleep", "1"], 2, 'there is no directory "/nowhere"'),
        (["add", "x", "foo"], 2, "foo is no URL"),
        (["add", "x", "--mcp", "--model", "m", "sleep"], 2, "--model is for servers with OpenAI's API"),
        (["add", "x", "--mcp", "--api-key-env", "A", "sleep"], 2, "--api-key-env is for what has a URL"),
        (["add", "x", "--env", "A=b", "http://127.0.0.1:1"], 2, "--env is for an MCP server"),
        (["remove", "talker"], 1, "take it out there"),
        (["remove", "off"], 1, "take it out there"),
        (["remove", "nobody"], 4, "there are none"),
        (["remove", "../../etc"], 4, "there are none"),
        (["remove", ""], 2, "a provider's name is missing"),
        (["run", "--save", "--name", "talker", "sleep", "1"], 1, '"talker" already: it stands in'),
        (["run", "--save", "--directory", "/nowhere", "sleep", "1"], 2, 'there is no directory "/nowhere"'),
        (["run", "--save", "--env", "NOT_SET_HERE", "sleep", "1"], 2, "what is saved has it from the daemon"),
    ],
)
def test_what_is_refused_leaves_nothing(h: House, words: list[str], status: int, sentence: str) -> None:
    done = h.ctl(*words)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert kept(h) == []
    assert not list((h.root).glob("providers.d/*"))
    assert h.client.get("/v1/status")["daemon"]["problems"] == []
    assert names(h) == {"talker"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"name": 1, "block": QUICK}, "invalid_request"),
        ({"name": "a\0", "block": QUICK}, "invalid_request"),
        ({"name": "..", "block": QUICK}, "invalid_request"),
        ({"name": "all", "block": QUICK}, "invalid_request"),
        ({"name": "a", "block": []}, "invalid_request"),
        ({"name": "a", "block": {}}, "invalid_request"),
        ({"name": "a", "block": {"command": ["a\0b"]}}, "invalid_request"),
        ({"name": "a", "block": {"command": ["\ud800"]}}, "invalid_request"),
        ({"name": "a", "block": {"x" * 2000: 1}}, "invalid_request"),
        ({"name": "a", "block": {**QUICK, "enabled": False}}, "invalid_request"),
        ({"name": "a", "block": QUICK, "dry_run": 1}, "invalid_request"),
        ({"name": "a", "block": {"command": ["sleep", "x" * 2**18]}}, "too_large"),
    ],
)
def test_a_body_that_makes_no_sense_leaves_nothing(h: House, body: dict[str, Any], code: str) -> None:
    with pytest.raises(CallError) as refused:
        h.client.post("/v1/run", body)
    assert refused.value.code == code
    assert kept(h) == []
    assert names(h) == {"talker"}


def test_what_would_be_wrong_with_a_block_is_told_without_running_it(h: House) -> None:
    h.client.post("/v1/run", {"name": "mine", "block": QUICK, "dry_run": True})
    assert kept(h) == []
    assert names(h) == {"talker"}


def test_one_that_does_not_come_up_says_why_and_remains_to_be_looked_at(h: House) -> None:
    done = h.ctl("run", "--name", "bad", "--", "sh", "-c", "echo oops >&2; exit 78")
    assert done.returncode == 1
    assert 'could not start "bad": it is FATAL: exited with 78: oops' in done.stderr
    assert h.view("bad")["state"] == "FATAL"
    assert "It was started by run or add" in h.ctl("why", "bad").stdout

    removed = h.ctl("remove", "nobody", "bad")
    assert (removed.returncode, removed.stdout) == (4, "bad: removed\n")
    assert 'no provider "nobody"' in removed.stderr
    assert h.ctl("status", "bad").returncode == 4


def test_one_that_is_done_at_once_did_what_was_wanted(h: House) -> None:
    done = h.ctl("run", "--restart", "on-failure", "--name", "once", "--", "true")
    assert (done.returncode, done.stdout.split()[:2]) == (0, ["once", "EXITED"])


def test_where_each_provider_stands_is_told(h: House) -> None:
    run(h, "mine")
    sources = {view["name"]: view["source"] for view in h.client.get("/v1/status")["instances"]}
    assert sources == {"talker": f"{h.config}:1", "mine": "transient"}


def test_what_was_run_is_in_no_version_of_the_config(own: House) -> None:
    run(own, "mine")
    versions = own.client.get("/v1/config/history")["versions"]
    assert [(one["number"], one["current"]) for one in versions] == [(1, True)]


def test_a_file_of_the_config_goes_before_what_was_run_for_good(own: House) -> None:
    run(own, "mine")
    define(own, mine={**QUICK, "command": ["sleep", "999"]})
    assert own.ctl("reload").returncode == 0
    eventually(lambda: Path(f"/proc/{own.view('mine')['pid']}/cmdline").read_bytes() == b"sleep\x00999\x00")
    assert own.client.get("/v1/status")["daemon"]["problems"] == []

    removed = own.ctl("remove", "mine")
    assert (removed.returncode, own.view("mine")["state"]) == (1, "RUNNING")
    define(own)
    assert own.ctl("reload").returncode == 0
    eventually(lambda: names(own) == {"talker"})


def test_a_config_that_is_refused_is_told_as_such_and_loses_nothing(own: House) -> None:
    run(own, "mine")
    good = own.config.read_text()
    own.config.write_text("providers: [")

    ran, removed = own.ctl("run", "--name", "more", "sleep", "1000"), own.ctl("remove", "mine")
    assert (ran.returncode, removed.returncode) == (2, 2)
    assert "as long as the config is refused" in ran.stderr
    assert '"gleitzeitctl stop mine" stops it meanwhile' in removed.stderr
    assert kept(own) == ["mine.yaml"]
    assert own.view("mine")["state"] == "RUNNING"

    own.config.write_text(good)
    assert own.ctl("remove", "mine").stdout == "mine: removed\n"


def test_what_was_taken_away_by_hand_is_removed_all_the_same(own: House) -> None:
    run(own, "mine")
    (own.root / "run" / "transient" / "mine.yaml").unlink()
    removed = own.ctl("remove", "mine")
    # a save of the config may have come in between, and taken it over
    assert removed.returncode in (0, 4), removed.stderr
    eventually(lambda: names(own) == {"talker"})
    assert kept(own) == []
    assert "request failed" not in own.said()


def test_files_that_cannot_be_changed_are_no_mistake_of_ours(own: House) -> None:
    """A full disk, or as here a directory that somebody took away."""
    (own.root / "run" / "transient").rmdir()
    for words in (("run", "--name", "mine", "--", "sleep", "1000"), ("remove", "mine")):
        asked = own.ctl(*words)
        assert asked.returncode == 1
        assert "the files of what is run cannot be changed: [Errno 2] No such file or" in asked.stderr
    assert "request failed" not in own.said()


def test_one_whose_directory_is_gone_keeps_no_save_of_the_config_back(own: House) -> None:
    gone = own.root / "gone"
    gone.mkdir()
    run(own, "mine", cwd=str(gone))
    pid = own.until("mine", "RUNNING")["pid"]
    gone.rmdir()

    define(own, more=TALKER)
    own.ctl("reload")
    assert own.until("more", "RUNNING")
    assert own.view("mine")["pid"] == pid
    assert "there is no directory" in own.client.get("/v1/status")["daemon"]["problems"][0]
    assert own.ctl("remove", "mine").returncode == 0
    assert own.client.get("/v1/status")["daemon"]["problems"] == []


def test_what_is_saved_stays_until_it_is_removed(own: House) -> None:
    h = own
    h.environment["SECRET"] = "sk-hidden"
    h.root.chmod(0o755)
    h.stop()
    h.start()
    as_others_would = "umask 077; exec " + shlex.join([sys.executable, "-m", "gleitzeitctl", "run", "--save"])
    script = f"{as_others_would} --name mine --env SECRET -- sh -c 'echo \"$SECRET\"; exec sleep 1000'"
    assert subprocess.run(["sh", "-c", script], env=h.environment, cwd=h.root).returncode == 0

    file = h.root / "providers.d" / "mine.yaml"
    assert "${SECRET}" in file.read_text()
    assert "sk-" not in file.read_text()
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, file.parent)]
    assert modes == [stat.S_IMODE(path.stat().st_mode) for path in (h.config, h.root)]
    assert h.ctl("logs", "mine").stdout == "sk-hidden\n"

    h.stop()
    h.start()
    h.until("mine", "RUNNING")
    assert "2 providers" in h.ctl("config", "validate", "--config-file", str(h.config)).stdout

    saved = file.read_text()
    file.write_text(saved + f"  other: {json.dumps(TALKER)}\n")
    refused = h.ctl("remove", "mine")
    assert (refused.returncode, "more than was saved there" in refused.stderr) == (1, True)
    assert "other" in file.read_text()

    file.write_text(saved + "    enabled: false\n")
    assert h.ctl("remove", "mine").stdout == "mine: removed\n"
    assert list(file.parent.iterdir()) == []
    eventually(lambda: names(h) == {"talker"})


def test_a_server_of_tools_is_called_after_one_line(h: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(h.environment, "PYTHONPATH", str(ROOT))
    words = ["--env", "PYTHONPATH", "--", sys.executable, "-m", "tests.providers.mcp_server"]
    added = h.ctl("add", "tools", "--mcp", *words)
    assert (added.returncode, "is up, but" in added.stderr) == (0, False)
    assert h.invoke("tools", "echo", {"text": "hello"}) == '{"text": "hello"}'


def test_a_server_of_models_is_called_after_one_line(h: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/v1"
    nobody = h.ctl("add", "nobody", url)
    assert nobody.returncode == 0
    assert f"nobody is up, but no answer from the server at {url}" in nobody.stderr

    server = subprocess.Popen([sys.executable, "-m", "tests.providers.openai_server", str(port)], cwd=ROOT)
    try:
        eventually(lambda: answers(port))
        monkeypatch.setitem(h.environment, "MY_KEY", "sk-secret")
        added = h.ctl("add", "local", url, "--api-key-env", "MY_KEY", "--model", "gpt-4.1")
        assert (added.returncode, "is up, but" in added.stderr) == (0, False)
        assert h.invoke("local", "generate", {"prompt": "hello"})["model"] == "gpt-4.1-2026"
        told = [h.ctl("status", "--json").stdout, h.ctl("logs", "local").stdout, h.said()]
        assert not any("sk-secret" in text for text in told)
    finally:
        server.kill()
        server.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    "asked", [["-d", "{}", "http://d/v1/run"], ["-X", "DELETE", "http://d/v1/transient/x"]]
)
def test_only_the_owner_may(h: House, asked: list[str]) -> None:
    (h.root / "run").chmod(0o711)
    h.socket.chmod(0o666)
    for parent in (h.root, *h.root.parents):
        if parent.owner() == "root" and parent != Path("/"):
            os.chmod(parent, parent.stat().st_mode | 0o711)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    curl = [*as_nobody, "curl", "-s", "--unix-socket", str(h.socket), *asked]
    done = subprocess.run(curl, capture_output=True, text=True)
    assert json.loads(done.stdout)["error"]["code"] == "forbidden"

"""The config file is saved under a running daemon: what it says is done, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gleitzeit_extensions.protocol import CallError
from tests.house import House, eventually, house
from tests.scenarios.common import becomes, views
from tests.scenarios.edits import random_edits
from tests.scenarios.saves import coming, pids, problems, reload
from tests.scenarios.subjects import FILES, argv, sleeper, subject, text

TRAPPED = """
for name in INT TERM; do trap "echo $name > got; exit" $name; done
echo > set
while :; do sleep 0.01; done
"""
CHECK = ["sh", "-c", "echo >> tried"]
TRACED = "echo begins >> trace; trap 'echo ends >> trace; exit' TERM; while :; do sleep 0.01; done"


def versions(h: House) -> list[Mapping[str, Any]]:
    """What was applied so far, the newest first."""
    return h.client.get("/v1/config/history")["versions"]  # type: ignore[no-any-return]


def running(h: House, name: str) -> list[str]:
    """The command that the instance runs by."""
    return argv(h.view(name)["pid"])


def test_a_save_alone_does_what_the_file_says_and_nothing_else(tmp_path: Path) -> None:
    before = {
        "kept": sleeper(),
        "gone": sleeper(),
        "off": sleeper(),
        "command": sleeper(),
        "class": subject(1),
        "quiet": subject(1),
    }
    after = {
        "kept": sleeper(),
        "off": sleeper(enabled=False),
        "new": subject(3),
        "command": sleeper(1001),
        "class": subject(2),
        "quiet": subject(1),
    }
    with house(tmp_path, text(before), FILES) as h:
        known = {name: h.until(name, "RUNNING")["pid"] for name in before}
        h.config.write_text(text(after))

        becomes(lambda: list(views(h)), ["kept", "new", "command", "class", "quiet"], "providers")
        eventually(lambda: running(h, "command") == ["sleep", "1001"])
        eventually(lambda: h.invoke("class", "get", {}) == 2)
        assert h.invoke("new", "get", {}) == 3
        assert h.until("command", "RUNNING")["pid"] != known["command"]
        eventually(lambda: h.view("class")["pid"] != known["class"])
        assert {name: h.view(name)["pid"] for name in ("kept", "quiet")} == {
            name: known[name] for name in ("kept", "quiet")
        }
        eventually(lambda: len(h.left_behind()) == 5)
        with pytest.raises(CallError, match='"off" is disabled'):
            h.invoke("off", "get", {})


def test_a_command_ends_before_its_successor_begins_unless_it_may_not(tmp_path: Path) -> None:
    block = {"command": ["sh", "-c", TRACED], "cwd": ".", "start_seconds": 0.2}
    trace = tmp_path / "trace"
    with house(tmp_path, text({"traced": block})) as h:
        h.until("traced", "RUNNING")
        h.config.write_text(text({"traced": {**block, "env": {"A": "1"}}}))
        becomes(trace.read_text, "begins\nends\nbegins\n", "what happened")

        h.until("traced", "RUNNING")
        changed = {**block, "env": {"A": "2"}, "update": "start-first"}
        h.config.write_text(text({"traced": changed}))
        becomes(trace.read_text, "begins\nends\nbegins\nbegins\nends\n", "what happened")


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_what_needs_no_new_process_applies_to_the_one_that_runs(tmp_path: Path) -> None:
    """What is changed is seen by what it does."""
    before = {
        "signalled": {"command": ["sh", "-c", TRAPPED], "cwd": "."},
        "called": subject(routing={"concurrency": 1, "queue": 0}),
        "asked": subject(health={"interval": 1000}),
        "tried": sleeper(cwd=".", health={"kind": "exec", "command": CHECK, "interval": 1000}),
        "ended": sleeper(restart={"initial": 0}),
        "told": subject(logs={"size": "1GiB"}),
    }
    after = {
        "signalled": {**before["signalled"], "stop": {"signal": "INT"}},
        "called": subject(routing={"concurrency": 2, "queue": 0}),
        "asked": subject(health={"interval": 0.02}),
        "tried": sleeper(cwd=".", health={"kind": "exec", "command": CHECK, "interval": 0.02}),
        "ended": sleeper(restart={"policy": "never"}),
        "told": subject(logs={"size": "4KiB"}),
    }
    with house(tmp_path, text(before), FILES) as h:
        known = {name: h.until(name, "RUNNING")["pid"] for name in before}
        eventually((tmp_path / "set").exists)
        held = threading.Thread(target=h.invoke, args=("called", "hold", {"until": "let go"}))
        held.start()
        eventually(lambda: h.view("called")["in_flight"] == 1)
        with pytest.raises(CallError):
            h.invoke("called", "get", {})
        checks = {name: size(tmp_path / name) for name in ("asked", "tried")}
        h.config.write_text(text(after))

        eventually(lambda: all(size(tmp_path / name) > many + 5 for name, many in checks.items()))
        assert h.invoke("called", "get", {}) == 0
        for _ in range(3):
            h.invoke("told", "say", {"size": 3000})
        eventually(lambda: [path for path in (tmp_path / "logs").iterdir() if "told.log." in path.name])
        assert pids(h) == known
        (tmp_path / "let go").touch()
        held.join()
        h.client.post("/v1/stop", {"names": ["signalled"]})
        assert (tmp_path / "got").read_text() == "INT\n"
        os.kill(known["ended"], signal.SIGKILL)
        h.until("ended", "EXITED")


def test_comments_another_order_and_what_the_daemon_was_started_with_move_nothing(tmp_path: Path) -> None:
    blocks = {"one": sleeper(), "two": subject(1), "three": sleeper()}
    with house(tmp_path, text(blocks), FILES) as h:
        known = {name: h.until(name, "RUNNING")["pid"] for name in blocks}
        ordered = {name: blocks[name] for name in ("two", "one", "three")}
        h.config.write_text("# two first\n" + text(ordered))
        becomes(lambda: list(views(h)), list(ordered), "the order")
        # It is kept for a rollback a moment after it is applied.
        becomes(lambda: versions(h)[0]["summary"], "nothing changed for any provider", "what was applied")
        assert reload(h)["plan"] is None

        h.config.write_text(text(ordered, default_server_url="http://localhost:1"))
        becomes(lambda: versions(h)[0]["summary"], "global.default_server_url", "what was applied")
        shown = h.ctl("reload", "--dry-run")
        assert "global.default_server_url: needs a restart of the daemon" in shown.stdout
        assert pids(h) == known
        assert h.invoke("two", "get", {}) == 1


def refused(h: House, words: str, before: list[str]) -> list[str]:
    """What is said of the file, once that is not what was said before."""

    def said() -> list[str] | None:
        now = problems(h)
        return now if now != before and words in "".join(now) else None

    return eventually(said, words)


def written(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def test_what_is_refused_moves_nothing_and_is_shown_until_it_is_mended(tmp_path: Path) -> None:
    before = {"one": sleeper(), "two": subject(1), "three": sleeper()}
    after = text({**before, "one": sleeper(1001)})
    saves: list[tuple[str, Callable[[Path], object]]] = [
        ("providers.yaml:3:1: ", written("providers:\n  one: [\n")),
        ("providers.yaml: there is no such file", lambda path: None),
        ("the file is empty", written("")),
        ("providers.yaml: this is not a regular file", Path.mkdir),
        ("providers.yaml:", written(after[: len(after) // 2])),
        ("providers.yaml: this is not a regular file", os.mkfifo),
        ("providers.one.comand: ", written(text({"one": {**sleeper(1001), "comand": "x"}}))),
    ]
    with house(tmp_path, text(before), FILES) as h:
        known = {name: h.until(name, "RUNNING")["pid"] for name in before}
        said: list[str] = []
        for words, save in saves:
            h.config.rmdir() if h.config.is_dir() else h.config.unlink(missing_ok=True)
            save(h.config)
            said = refused(h, words, said)
            assert pids(h) == known
        assert said[0] in h.ctl("status").stderr
        answer = h.ctl("reload")
        assert (answer.returncode, answer.stdout) == (2, "")
        assert said[0] in answer.stderr
        assert "nothing was changed" in answer.stderr

        h.config.write_text(after)
        eventually(lambda: running(h, "one") == ["sleep", "1001"])
        assert problems(h) == []
        assert {**pids(h), "one": 0} == {**known, "one": 0}


def test_the_last_of_several_saves_wins_and_no_life_is_begun_in_vain(tmp_path: Path) -> None:
    with house(tmp_path, text({"changed": subject(0), "kept": sleeper()}), FILES) as h:
        known = {name: h.until(name, "RUNNING")["pid"] for name in ("changed", "kept")}
        waiting = subject(0, waits_for="never", connection_timeout=60)
        h.config.write_text(text({"changed": waiting, "kept": sleeper()}))
        coming(h, "changed")
        for number in range(1, 31):
            h.config.write_text(text({"changed": subject(number), "kept": sleeper()}))

        eventually(lambda: h.invoke("changed", "get", {}) == 30)
        eventually(lambda: len(h.left_behind()) == 2)
        # On a machine that is busy, a pause between two saves may be as long as that after the last.
        reloads = h.said().count('event="config is reloaded"')
        assert 1 <= h.view("changed")["generation"] - 1 <= reloads < 10
        assert h.view("kept")["pid"] == known["kept"]


def test_a_hangup_and_a_command_take_over_what_no_watch_tells(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    block = {**subject(), "config": {"value": "${file:secret}"}}
    with house(tmp_path, text({"keeper": block}), {**FILES, "secret": "first"}) as h:
        pid = h.until("keeper", "RUNNING")["pid"]
        secret.write_text("second")
        shown = h.ctl("reload", "--dry-run")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "restart (start-first)  config.value" in shown.stdout
        assert h.view("keeper")["pid"] == pid
        assert h.invoke("keeper", "get", {}) == "first"
        h.daemon.send_signal(signal.SIGHUP)
        eventually(lambda: h.invoke("keeper", "get", {}) == "second")

        secret.write_text("third")
        answer = h.ctl("reload")
        assert (answer.returncode, answer.stderr) == (0, "")
        assert "restart (start-first)  config.value" in answer.stdout
        assert h.invoke("keeper", "get", {}) == "third"


def test_a_variable_that_is_not_set_hurts_its_own_provider_only(tmp_path: Path) -> None:
    bad = {**subject(), "config": {"value": "${GLEITZEIT_NOWHERE}"}}
    with house(tmp_path, text({"bad": bad, "good": subject(1)}), FILES) as h:
        view = h.until("bad", "FATAL")
        sentence = "environment variable GLEITZEIT_NOWHERE is not set"
        assert sentence in view["reason"]
        assert "providers.yaml:" in view["reason"]
        pid = h.until("good", "RUNNING")["pid"]
        assert h.invoke("good", "get", {}) == 1

        h.config.write_text(text({"bad": subject(2), "good": {**bad, "description": "another"}}))
        eventually(lambda: h.view("bad")["state"] == "RUNNING")
        assert h.invoke("bad", "get", {}) == 2
        eventually(lambda: [problem for problem in problems(h) if sentence in problem])
        steps = reload(h, dry=True)["plan"]["providers"]
        assert [(step["name"], step["action"]) for step in steps] == [("bad", "unchanged"), ("good", "kept")]
        assert h.view("good")["pid"] == pid
        assert h.invoke("good", "get", {}) == 1

        h.config.write_text(text({"bad": subject(2), "good": subject(3)}))
        eventually(lambda: h.invoke("good", "get", {}) == 3)
        assert problems(h) == []


def test_random_edits_under_steady_calls(tmp_path: Path) -> None:
    random_edits(tmp_path, sleepers=5, subjects=3, edits=7, seed=21)

"""`events`: what happened, when one looks later, and as it happens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, eventually, house

TALKER = {"command": ["sh", "-c", "echo last words >&2; exec sleep 1000"], "start_seconds": 0}


@pytest.fixture
def h(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, {"talker": TALKER, "other": {**TALKER, "command": ["sleep", "1000"]}}) as h:
        h.until("talker", "RUNNING")
        h.until("other", "RUNNING")
        yield h


def whats(h: House, *words: str) -> list[str]:
    told = h.ctl("events", "--json", *words)
    assert told.returncode == 0
    return [json.loads(line)["what"] for line in told.stdout.splitlines()]


@contextmanager
def following(h: House, path: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with path.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "gleitzeitctl", "events", "-f", *words],
            env=h.environment,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def test_an_end_is_told_with_its_evidence_and_names_pick(h: House) -> None:
    os.kill(h.view("talker")["pid"], signal.SIGKILL)
    eventually(lambda: "killed by SIGKILL" in whats(h, "talker"))
    h.until("talker", "RUNNING")

    assert any(what.startswith("the daemon runs") for what in whats(h))
    assert "killed by SIGKILL" not in whats(h, "o*")
    assert len(whats(h, "-n", "2")) == 2
    shown = h.ctl("events", "talker").stdout
    assert "talker  RUNNING   killed by SIGKILL\n" in shown
    assert "| last words\n" in shown
    assert h.ctl("events", "nobody").returncode == 4


def test_what_becomes_of_the_file_is_told(h: House) -> None:
    h.config.write_text("providers: [")
    assert h.ctl("reload").returncode == 2
    config = {"global": {"default_server_url": "http://localhost:0"}, "providers": {"talker": TALKER}}
    h.config.write_text(json.dumps(config))
    assert h.ctl("reload").returncode == 0
    told = whats(h)
    assert told.index("the config file is refused") < told.index(
        "the config file is taken over: removed: other"
    )
    assert f"| {h.config}:1:" in h.ctl("events").stdout


def seen(h: House, out: Path) -> bool:
    """Kill it, and look whether who follows has seen that already."""
    if pid := h.view("other")["pid"]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return "killed by SIGKILL" in out.read_text()


def test_who_follows_sees_it_happen_over_a_restart_of_the_daemon(h: House, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with following(h, out, "-n", "0") as process:
        eventually(lambda: seen(h, out))
        h.stop()
        eventually(lambda: "this goes on when it is back" in out.read_text())
        assert "the daemon stops" in out.read_text()
        h.start()
        eventually(lambda: "the daemon is back" in out.read_text())
        eventually(lambda: "the daemon runs, version" in out.read_text().partition("is back")[2])
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert "Traceback" not in out.read_text()


def test_what_is_like_a_pattern_is_followed_also_when_it_comes_later(h: House, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with following(h, out, "ta*"):
        eventually(lambda: "talker" in out.read_text())
        assert h.ctl("run", "--name", "tail", "--", "sleep", "1000").returncode == 0
        assert h.ctl("run", "--name", "more", "--", "sleep", "1000").returncode == 0
        assert h.ctl("stop", "talker").returncode == 0
        eventually(lambda: "talker  STOPPED" in out.read_text())
    assert "\ntail" in re.sub("(?m)^.{14}  ", "", out.read_text())
    assert "more" not in out.read_text()


def test_who_was_cut_off_is_told_what_came_since(h: House) -> None:
    def events(*query: tuple[str, str | int]) -> list[dict[str, Any]]:
        return list(h.client.follow("/v1/events", query))

    first, *rest = events(("n", 1000))
    assert events(("after", first["cursor"])) == rest
    assert events(("after", rest[-1]["cursor"])) == []
    assert events(("after", "another-7")) == [first, *rest]
    assert events(("after", ""), ("name", "talker")) == [one for one in rest if one["name"] == "talker"]
